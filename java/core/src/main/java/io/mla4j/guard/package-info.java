/** How objects that belong to one thread at a time notice a second one; not for users. */
@NullMarked
package io.mla4j.guard;

import org.jspecify.annotations.NullMarked;

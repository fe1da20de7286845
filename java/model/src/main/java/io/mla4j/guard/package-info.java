/** How objects of this module notice misuse by threads; not for users. */
@NullMarked
package io.mla4j.guard;

import org.jspecify.annotations.NullMarked;

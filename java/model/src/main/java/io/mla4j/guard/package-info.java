/** How objects of this module notice misuse by threads; not for users. */
package io.mla4j.guard;

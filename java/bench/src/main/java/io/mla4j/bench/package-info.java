/**
 * The measurements behind {@code mla4j bench}: kernels in the way that users of the library call
 * them, next to what the processor can do at best, measured in the same moments.
 */
package io.mla4j.bench;

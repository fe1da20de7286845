/**
 * Operations on a CPU: tiles, the threads that run them, and the scalar kernels. For backends, not
 * for users of the library.
 */
@NullMarked
package io.mla4j.cpu;

import org.jspecify.annotations.NullMarked;

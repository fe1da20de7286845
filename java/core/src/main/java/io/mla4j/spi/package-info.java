/**
 * What a backend implements: a device, its operations, and the kernels that CPU operations are made
 * of.
 */
@NullMarked
package io.mla4j.spi;

import org.jspecify.annotations.NullMarked;

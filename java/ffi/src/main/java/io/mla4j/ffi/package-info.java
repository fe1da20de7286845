/**
 * The kernels of {@code native/include/mla/mla.h}: finding and checking the library, calling it,
 * memory for it.
 *
 * <p>{@code io.mla4j.ffi.abi} is generated from the header by jextract.
 */
package io.mla4j.ffi;

/**
 * The backend {@code cuda}: memory of a GPU and operations on it, behind {@code mla_device_kernels}
 * of mla.h.
 */
package io.mla4j.cuda;

/**
 * A device with memory of its own: buffers that no thread may touch, copies through pinned memory,
 * the plan of a step, and operations as launches of its kernels. A backend brings {@link
 * io.mla4j.device.DeviceDriver} and {@link io.mla4j.device.DeviceKernels}.
 */
package io.mla4j.device;

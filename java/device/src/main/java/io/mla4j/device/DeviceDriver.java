package io.mla4j.device;

import java.lang.foreign.MemorySegment;

/**
 * One device as its driver shows it: memory, streams, events. Thread-safe.
 *
 * <p>Calls throw {@link io.mla4j.DeviceMemoryException} where memory is short, {@link
 * io.mla4j.DeviceLostException} where the device answers every call with the same error, and {@link
 * io.mla4j.DeviceException} for other failures, an earlier launch's included.
 */
public interface DeviceDriver {
  /** The backend's name. */
  String backend();

  /** The device's name. */
  String name();

  /** What its kernels are compiled for, by name. */
  String isa();

  /** Bytes of its memory that are free. */
  long freeMemory();

  /** The address of {@code bytes} of its memory with unspecified content, aligned to 64. */
  MemorySegment allocate(long bytes);

  /** Frees memory of {@link #allocate}, after the kernels that use it. */
  void release(MemorySegment memory);

  /** The address of {@code bytes} of the host's memory that copies read and write by themselves. */
  MemorySegment allocatePinned(long bytes);

  /** Frees memory of {@link #allocatePinned}. */
  void releasePinned(MemorySegment memory);

  /** A queue of launches and copies. */
  DeviceStream newStream();

  /** A place in a stream. */
  DeviceEvent newEvent();

  /** The kernels, on a stream of {@link #newStream} and in its memory. */
  DeviceKernels kernels(DeviceStream stream, KernelMemory memory);
}

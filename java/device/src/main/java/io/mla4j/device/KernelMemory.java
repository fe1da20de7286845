package io.mla4j.device;

import java.lang.foreign.MemorySegment;

/** What kernels ask their device for. Used in the device's turn. */
public interface KernelMemory {
  /**
   * What a call is given for memory of the device: the segment whose arena stays open while the
   * call runs.
   *
   * @throws io.mla4j.InvalidArgumentException where the segment is no memory of the device, or was
   *     freed, with the argument's name
   */
  MemorySegment resolve(String name, MemorySegment segment);

  /** Memory for one launch, as calls take it; the next launch may overwrite it. */
  MemorySegment workspace(long bytes);
}

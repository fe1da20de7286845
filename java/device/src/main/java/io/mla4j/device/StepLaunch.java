package io.mla4j.device;

import java.lang.foreign.MemorySegment;

/** A kernel on a layer of the cache, ready but for the numbers of a step. */
@FunctionalInterface
public interface StepLaunch {
  /**
   * Puts the kernel on the device's stream.
   *
   * @param plan of the step
   * @param run the sequences that attention takes; null for an operation on all of them
   * @param firstRow the first token of the run in the operation's tensors
   * @param cache the layer's pages, as calls take them
   */
  void launch(DevicePlan plan, DevicePlan.Run run, long firstRow, MemorySegment cache);
}

package io.mla4j.djl;

import io.mla4j.InvalidArgumentException;
import io.mla4j.ops.Tensor;
import java.lang.foreign.MemorySegment;

/** The bytes of a tensor, for libraries that know memory by its address and size. */
final class Memory {
  private Memory() {}

  static MemorySegment of(String name, Tensor tensor) {
    long elements = 1;
    for (int i = tensor.rank() - 1; i >= 0; i--) {
      if (tensor.dim(i) > 1 && tensor.stride(i) != elements) {
        throw new InvalidArgumentException(
            name + " is " + tensor + " with gaps, but must be contiguous");
      }
      elements *= tensor.dim(i);
    }
    MemorySegment memory = tensor.segment();
    if (!memory.isNative()) {
      throw new InvalidArgumentException(
          name + " is in the heap, but must be in native memory: Tensor.allocate, for instance");
    }
    if (!memory.isAccessibleBy(Thread.currentThread())) {
      throw new InvalidArgumentException(
          name + " is in memory of a device or of another thread, which cannot be shared");
    }
    return memory.asSlice(0, tensor.format().bytes(elements));
  }
}

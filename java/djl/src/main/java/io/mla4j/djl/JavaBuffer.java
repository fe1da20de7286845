package io.mla4j.djl;

import ai.djl.ndarray.NDArray;
import ai.djl.pytorch.engine.PtNDArray;
import io.mla4j.InvalidStateException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;

/**
 * The Java buffer that an array of the PyTorch engine was made over. Torch knows the address alone,
 * and closing the array forgets the buffer: who shares the memory has to hold the buffer too, and
 * DJL has no method that gives it.
 */
final class JavaBuffer {
  private static final VarHandle BUFFER = find();

  private JavaBuffer() {}

  /** Null for memory of torch's own. */
  static ByteBuffer of(NDArray array) {
    return (ByteBuffer) BUFFER.get((PtNDArray) array);
  }

  private static VarHandle find() {
    try {
      return MethodHandles.privateLookupIn(PtNDArray.class, MethodHandles.lookup())
          .findVarHandle(PtNDArray.class, "dataRef", ByteBuffer.class);
    } catch (ReflectiveOperationException e) {
      throw new InvalidStateException(
          "this version of ai.djl.pytorch:pytorch-engine is not supported (0.36.0 is): "
              + e.getMessage());
    }
  }
}

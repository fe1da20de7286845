package io.mla4j.device;

import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * Device memory that is kept for the next operation and grows when one needs more: what was made
 * ready for it before is stale then, which its count of moves tells. Used in the device's turn.
 */
final class KeptMemory implements AutoCloseable {
  private final DeviceMemory memory;
  private final List<Buffer> buffers = new ArrayList<>();
  private long moves;

  KeptMemory(DeviceMemory memory) {
    this.memory = memory;
  }

  /** How often a buffer went elsewhere. */
  long moves() {
    return moves;
  }

  /** A new buffer, of nothing. */
  Buffer buffer() {
    Buffer buffer = new Buffer();
    buffers.add(buffer);
    return buffer;
  }

  /** One of the kept pieces. */
  final class Buffer {
    private Arena arena;
    private MemorySegment segment = MemorySegment.NULL;

    /** {@code bytes} with unspecified content. */
    MemorySegment bytes(long bytes) {
      long needed = Math.max(bytes, DeviceMemory.ALIGNMENT);
      if (segment.byteSize() < needed) {
        release();
        Arena next = Arena.ofShared();
        try {
          // A half more than asked for, so that a context that grows token by token does not
          // reallocate at every step.
          segment = memory.allocate(needed + needed / 2, next);
        } catch (RuntimeException | Error e) {
          next.close();
          throw e;
        }
        arena = next;
      }
      return segment.asSlice(0, bytes);
    }

    /** A tensor with unspecified content. */
    Tensor tensor(StorageFormat format, long... shape) {
      long elements = 1;
      for (long dimension : shape) {
        elements = Math.multiplyExact(elements, dimension);
      }
      return Tensor.of(bytes(format.bytes(elements)), format, shape);
    }

    /** Waits for the kernels that use it. */
    private void release() {
      if (arena != null) {
        segment = MemorySegment.NULL;
        Arena old = arena;
        arena = null;
        moves++;
        old.close();
      }
    }
  }

  @Override
  public void close() {
    buffers.forEach(Buffer::release);
  }
}

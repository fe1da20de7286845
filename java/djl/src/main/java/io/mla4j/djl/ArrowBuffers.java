package io.mla4j.djl;

import io.mla4j.ClosedException;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.ForeignAllocation;
import org.apache.arrow.memory.ReferenceManager;

/**
 * One memory as an {@link ArrowBuf} and as a {@link Tensor}: what one side writes the other reads.
 * A column of fixed-size lists of float32 is a matrix by its data buffer.
 *
 * <p>Any thread may call this; who writes and who reads is between the two sides.
 */
public final class ArrowBuffers {
  private ArrowBuffers() {}

  /**
   * A contiguous tensor at the start of a buffer, which is retained until {@code arena} is closed.
   *
   * @throws io.mla4j.InvalidArgumentException where the buffer is too small for the shape
   * @throws ClosedException where the buffer was released
   * @throws IllegalStateException where the arena is closed
   */
  public static Tensor tensor(ArrowBuf buffer, Arena arena, StorageFormat format, long... shape) {
    DjlArrays.requireNonNull("buffer", buffer);
    DjlArrays.requireNonNull("arena", arena);
    ReferenceManager references = buffer.getReferenceManager();
    if (references.getRefCount() == 0) {
      throw new ClosedException("buffer was released");
    }
    MemorySegment memory =
        MemorySegment.ofAddress(buffer.memoryAddress()).reinterpret(buffer.capacity());
    Tensor.of(memory, format, shape); // before anything is retained
    references.retain();
    try {
      return Tensor.of(memory.reinterpret(arena, gone -> references.release()), format, shape);
    } catch (IllegalStateException | WrongThreadException e) { // the arena cannot take it
      references.release();
      throw e;
    }
  }

  /**
   * A buffer over the memory of a tensor, accounted to {@code allocator}.
   *
   * @param tensor contiguous, in memory of the host outside of the heap
   * @param arena the one that the tensor's memory belongs to, handed over: it is closed with the
   *     last reference to the buffer; an automatic one is only held, and a confined one needs the
   *     last reference to be released by its thread
   * @throws io.mla4j.InvalidArgumentException where the tensor has gaps or memory that cannot be
   *     shared
   * @throws org.apache.arrow.memory.OutOfMemoryException where the allocator's limit is smaller
   */
  public static ArrowBuf buffer(BufferAllocator allocator, Tensor tensor, Arena arena) {
    DjlArrays.requireNonNull("allocator", allocator);
    DjlArrays.requireNonNull("tensor", tensor);
    DjlArrays.requireNonNull("arena", arena);
    return allocator.wrapForeignAllocation(new Owned(Memory.of("tensor", tensor), arena));
  }

  /** Memory that Arrow counts the references to. */
  private static final class Owned extends ForeignAllocation {
    private final MemorySegment memory;
    private final Arena arena;

    Owned(MemorySegment memory, Arena arena) {
      super(memory.byteSize(), memory.address());
      this.memory = memory;
      this.arena = arena;
    }

    @Override
    protected void release0() {
      try {
        arena.close();
      } catch (UnsupportedOperationException automatic) {
        Reference.reachabilityFence(memory);
      }
    }
  }
}

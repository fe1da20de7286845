package io.mla4j.ffi;

import io.mla4j.InvalidArgumentException;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
import java.lang.foreign.MemorySegment;

/**
 * What must hold of a segment before its address goes to native code: it lies outside of the heap,
 * is aligned, may be written where it is a result, and has every element that the call touches.
 * Sizes that overflow count as too large.
 */
final class Segments {
  private Segments() {}

  /** Whether the pointer is absent. */
  static boolean isNull(MemorySegment segment) {
    return segment.address() == 0 && segment.byteSize() == 0;
  }

  /** The segment has {@code bytes} readable bytes from its start. */
  static void input(String name, MemorySegment segment, long bytes, long alignment) {
    if (!segment.isNative()) {
      throw new InvalidArgumentException(
          name + " is on the Java heap, but native kernels need memory outside of it");
    }
    if (segment.byteSize() < bytes) {
      throw new InvalidArgumentException(
          name
              + " has "
              + segment.byteSize()
              + " bytes, but must have at least "
              + (bytes == Long.MAX_VALUE ? "2^63" : bytes));
    }
    if ((segment.address() & alignment - 1) != 0) {
      throw new InvalidArgumentException(
          name
              + " is at address 0x"
              + Long.toHexString(segment.address())
              + ", but must be aligned to "
              + alignment
              + " bytes");
    }
  }

  /** As {@link #input}, and it may be written. */
  static void output(String name, MemorySegment segment, long bytes, long alignment) {
    input(name, segment, bytes, alignment);
    if (segment.isReadOnly()) {
      throw new InvalidArgumentException(name + " is read-only, but is written");
    }
  }

  /** An input of float32 or int32 elements. */
  static void input4(String name, MemorySegment segment, long elements) {
    input(name, segment, bytes(elements, 4), 4);
  }

  /** A result of float32 or int32 elements. */
  static void output4(String name, MemorySegment segment, long elements) {
    output(name, segment, bytes(elements, 4), 4);
  }

  /** An input with all elements of a tensor of float32 or int32. */
  static void rows4(String name, Tensor tensor) {
    long elements = tensor.dim(tensor.rank() - 1);
    for (int i = tensor.rank() - 2; i >= 0 && elements > 0; i--) {
      elements =
          tensor.dim(i) == 0 ? 0 : sum(product(tensor.dim(i) - 1, tensor.stride(i)), elements);
    }
    input4(name, tensor.segment(), elements);
  }

  /** Elements of a weight, or of a table. */
  static void weight(String name, MemorySegment segment, StorageFormat format, long elements) {
    long blocks = Math.ceilDiv(elements, format.blockElements());
    input(name, segment, product(blocks, format.blockBytes()), alignment(format));
  }

  /** The scales of a weight, where it has any. */
  static void scales(String name, Weight weight) {
    if (weight.isScaled()) {
      Tensor values = weight.scales().values();
      weight(
          name,
          values.segment(),
          values.format(),
          extent(values.dim(0), values.stride(0), values.dim(1)));
    }
  }

  /** What an address is a multiple of: an element's bytes; blocks lie anywhere. */
  static long alignment(StorageFormat format) {
    return format.blockElements() == 1 ? format.blockBytes() : 1;
  }

  /** As {@link #input4}, or absent. */
  static void optional4(String name, MemorySegment segment, long elements) {
    if (!isNull(segment)) {
      input4(name, segment, elements);
    }
  }

  /** The range {@code [begin, end)} lies in {@code 0 .. limit}. */
  static void range(String name, int begin, int end, int limit) {
    if (begin < 0 || end < begin || end > limit) {
      throw new InvalidArgumentException(
          name + " range is " + begin + ".." + end + ", but must lie in 0.." + limit);
    }
  }

  /** The value is not negative. */
  static void notNegative(String name, long value) {
    if (value < 0) {
      throw new InvalidArgumentException(name + " is " + value + ", but must not be negative");
    }
  }

  /** Elements up to the end of the last row of {@code rows}, 0 without rows. */
  static long extent(long rows, long stride, long width) {
    return extent(1, 0, rows, stride, width);
  }

  /** Elements up to the end of row (outer - 1, inner - 1), 0 where either count is 0. */
  static long extent(long outer, long outerStride, long inner, long innerStride, long width) {
    notNegative("stride", outerStride);
    notNegative("stride", innerStride);
    if (outer <= 0 || inner <= 0) {
      return 0;
    }
    return sum(sum(product(outer - 1, outerStride), product(inner - 1, innerStride)), width);
  }

  /** Bytes of elements. */
  static long bytes(long elements, int size) {
    return product(elements, size);
  }

  /** a + b for a, b at least 0, at most 2^63 - 1. */
  static long sum(long a, long b) {
    long sum = a + b;
    return sum < 0 ? Long.MAX_VALUE : sum;
  }

  /** a * b for a, b at least 0, at most 2^63 - 1. */
  static long product(long a, long b) {
    return Math.multiplyHigh(a, b) != 0 || a * b < 0 ? Long.MAX_VALUE : a * b;
  }
}

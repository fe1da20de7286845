package io.mla4j.ops;

import io.mla4j.Device;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.function.LongFunction;

/** Tensors of tests, contiguous, in memory that the collector frees. */
final class Tensors {
  private Tensors() {}

  /** Normal numbers of this deviation. */
  static Tensor random(SplittableRandom random, double deviation, long... shape) {
    Tensor tensor = nan(shape);
    for (long i = 0; i < tensor.segment().byteSize(); i += 4) {
      tensor.segment().set(ValueLayout.JAVA_FLOAT, i, (float) (random.nextGaussian() * deviation));
    }
    return tensor;
  }

  /** F32 numbers that nothing may leave as they are. */
  static Tensor nan(long... shape) {
    long count = Arrays.stream(shape).reduce(1, (a, b) -> a * b);
    MemorySegment segment = Arena.ofAuto().allocate(4 * count, 64);
    for (long i = 0; i < count; i++) {
      segment.setAtIndex(ValueLayout.JAVA_FLOAT, i, Float.NaN);
    }
    return Tensor.of(segment, StorageFormat.F32, shape);
  }

  /** A weight of this type with deviation {@code 1 / sqrt(in)}. */
  static Weight weight(SplittableRandom random, StorageFormat type, long out, long in) {
    Tensor exact = random(random, 1 / Math.sqrt(in), out, in);
    if (type == StorageFormat.F32) {
      return Weight.of(exact);
    }
    MemorySegment segment = Arena.ofAuto().allocate(2 * out * in, 64);
    for (long i = 0; i < out * in; i++) {
      float value = exact.segment().getAtIndex(ValueLayout.JAVA_FLOAT, i);
      short stored =
          type == StorageFormat.F16
              ? Float.floatToFloat16(value)
              : (short) (Float.floatToRawIntBits(value) >>> 16);
      segment.setAtIndex(ValueLayout.JAVA_SHORT, i, stored);
    }
    return Weight.of(Tensor.of(segment, type, out, in));
  }

  static Tensor ints(int... values) {
    MemorySegment segment = Arena.ofAuto().allocate(Math.max(4, 4L * values.length), 64);
    MemorySegment.copy(values, 0, segment, ValueLayout.JAVA_INT, 0, values.length);
    return Tensor.of(segment, StorageFormat.I32, values.length);
  }

  /** The tensor where operations of {@code device} take it: itself, or a copy in its memory. */
  static Tensor on(Device device, Arena arena, Tensor host) {
    return device.hostAccessible()
        ? host
        : copy(device, host, bytes -> device.allocate(bytes, arena));
  }

  /** The tensor where Java reads it: itself, or a copy. */
  static Tensor back(Device device, Tensor there) {
    return device.hostAccessible()
        ? there
        : copy(device, there, bytes -> Arena.ofAuto().allocate(bytes, 64));
  }

  private static Tensor copy(Device device, Tensor from, LongFunction<MemorySegment> allocate) {
    long[] shape = new long[from.rank()];
    long bytes = from.format().blockBytes();
    for (int i = 0; i < shape.length; i++) {
      shape[i] = from.dim(i);
      bytes *= shape[i];
    }
    MemorySegment to = allocate.apply(bytes);
    device.copy(from.segment(), 0, to, 0, bytes);
    return Tensor.of(to, from.format(), shape);
  }

  /** The bits of a contiguous F32 tensor. */
  static int[] bits(Tensor tensor) {
    long count = 1;
    for (int i = 0; i < tensor.rank(); i++) {
      count *= tensor.dim(i);
    }
    return tensor.segment().asSlice(0, 4 * count).toArray(ValueLayout.JAVA_INT);
  }
}

package io.mla4j.bench;

import io.mla4j.Device;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.function.Consumer;

/** Tensors of normal numbers, the same ones in every run. */
final class RandomNumbers {
  private RandomNumbers() {}

  /** F32 numbers of this deviation; 0 gives zeros. */
  static Tensor floats(Device device, Arena arena, double deviation, long... shape) {
    long count = count(shape);
    MemorySegment segment = device.allocate(4 * count, arena);
    SplittableRandom random = new SplittableRandom(count);
    if (deviation > 0) {
      put(
          device,
          segment,
          to -> {
            for (long i = 0; i < count; i++) {
              to.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) (deviation * random.nextGaussian()));
            }
          });
    }
    return Tensor.of(segment, StorageFormat.F32, shape);
  }

  /** BF16 numbers of this deviation. */
  static Tensor bf16(Device device, Arena arena, double deviation, long... shape) {
    long count = count(shape);
    MemorySegment segment = device.allocate(2 * count, arena);
    SplittableRandom random = new SplittableRandom(count);
    put(
        device,
        segment,
        to -> {
          for (long i = 0; i < count; i++) {
            int bits = Float.floatToRawIntBits((float) (deviation * random.nextGaussian()));
            to.setAtIndex(ValueLayout.JAVA_SHORT, i, (short) (bits >>> 16));
          }
        });
    return Tensor.of(segment, StorageFormat.BF16, shape);
  }

  /** Fills memory of a device, through memory of the host where Java cannot reach it. */
  private static void put(Device device, MemorySegment memory, Consumer<MemorySegment> fill) {
    if (device.hostAccessible()) {
      fill.accept(memory);
      return;
    }
    try (Arena host = Arena.ofConfined()) {
      MemorySegment values = host.allocate(memory.byteSize(), 64);
      fill.accept(values);
      device.copy(values, 0, memory, 0, memory.byteSize());
    }
  }

  private static long count(long[] shape) {
    return Arrays.stream(shape).reduce(1, Math::multiplyExact);
  }
}

package io.mla4j;

import io.mla4j.ops.Bf16;
import io.mla4j.ops.RopeLayout;
import io.mla4j.ops.Rotation;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;

/** Tensors of tests, in memory that is freed with them. */
public final class TestTensors {
  private TestTensors() {}

  /** F32, filled with NaN: what is not written shows. */
  public static Tensor poisoned(long... shape) {
    float[] values = new float[count(shape)];
    java.util.Arrays.fill(values, Float.NaN);
    return of(values, shape);
  }

  /** F32 normal numbers times {@code scale}. */
  public static Tensor random(Random random, double scale, long... shape) {
    float[] values = new float[count(shape)];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (random.nextGaussian() * scale);
    }
    return of(values, shape);
  }

  /** The given numbers as F32. */
  public static Tensor of(float[] values, long... shape) {
    MemorySegment segment = Arena.ofAuto().allocate(Math.max(1, 4L * values.length), 64);
    MemorySegment.copy(values, 0, segment, ValueLayout.JAVA_FLOAT, 0, values.length);
    return Tensor.of(segment, StorageFormat.F32, shape);
  }

  /** The given numbers as I32. */
  public static Tensor ofInts(int... values) {
    MemorySegment segment = Arena.ofAuto().allocate(Math.max(1, 4L * values.length), 64);
    MemorySegment.copy(values, 0, segment, ValueLayout.JAVA_INT, 0, values.length);
    return Tensor.of(segment, StorageFormat.I32, values.length);
  }

  /** A random matrix, stored as {@code type}: F32, BF16 or F16. */
  public static Weight weight(Random random, StorageFormat type, double scale, long out, long in) {
    Tensor floats = random(random, scale, out, in);
    if (type == StorageFormat.F32) {
      return Weight.of(floats);
    }
    float[] values = floats(floats);
    MemorySegment segment = Arena.ofAuto().allocate(2L * values.length, 64);
    for (int i = 0; i < values.length; i++) {
      short bits =
          type == StorageFormat.BF16 ? Bf16.fromFloat(values[i]) : Float.floatToFloat16(values[i]);
      segment.setAtIndex(ValueLayout.JAVA_SHORT, i, bits);
    }
    return Weight.of(Tensor.of(segment, type, out, in));
  }

  /** The numbers of a contiguous F32 tensor. */
  public static float[] floats(Tensor tensor) {
    return tensor
        .segment()
        .asSlice(0, 4L * count(shape(tensor)))
        .toArray(ValueLayout.JAVA_FLOAT_UNALIGNED);
  }

  /** The value of element (i, j) of a weight. */
  public static double value(Weight weight, long i, long j) {
    Tensor t = weight.tensor();
    long at = i * t.stride(0) + j;
    float[] value = new float[1];
    t.format().widen(t.segment(), t.format().bytes(at), value, 0, 1);
    return value[0];
  }

  /** Rotations by random angles for n tokens. */
  public static Rotation rotation(Random random, int n, int rope, RopeLayout layout) {
    float[] cosines = new float[n * rope / 2];
    float[] sines = new float[n * rope / 2];
    for (int i = 0; i < cosines.length; i++) {
      double angle = random.nextDouble() * 6;
      cosines[i] = (float) Math.cos(angle);
      sines[i] = (float) Math.sin(angle);
    }
    return new Rotation(of(cosines, n, rope / 2), of(sines, n, rope / 2), layout);
  }

  private static long[] shape(Tensor tensor) {
    long[] shape = new long[tensor.rank()];
    for (int i = 0; i < shape.length; i++) {
      shape[i] = tensor.dim(i);
    }
    return shape;
  }

  private static int count(long... shape) {
    long count = 1;
    for (long dim : shape) {
      count *= dim;
    }
    return Math.toIntExact(count);
  }
}

package io.mla4j.testkit;

import io.mla4j.ops.StorageFormat;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Stored number types, written apart from the library's own conversions. */
public final class Rounding {
  /** The largest relative error of a rounding to bf16, which has 8 significant bits. */
  public static final double BF16_UNIT = 0x1p-8;

  private Rounding() {}

  /** The nearest bf16, ties to even, found by arithmetic on the value. */
  public static float bf16(double value) {
    if (value == 0 || Double.isNaN(value) || Double.isInfinite(value)) {
      return (float) value;
    }
    int exponent = Math.max(Math.getExponent(value), -126);
    double spacing = Math.scalb(1.0, exponent - 7);
    return (float) (Math.rint(value / spacing) * spacing);
  }

  /** The value after storage as {@code format} (F32, BF16 or F16). */
  static float stored(StorageFormat format, float value) {
    return switch (format.name()) {
      case "F32" -> value;
      case "BF16" -> bf16(value);
      case "F16" -> Float.float16ToFloat(Float.floatToFloat16(value));
      default -> throw new IllegalArgumentException("format " + format);
    };
  }

  /** Writes a value that {@code format} holds exactly. */
  static void write(StorageFormat format, MemorySegment segment, long index, float value) {
    switch (format.name()) {
      case "F32" -> segment.set(ValueLayout.JAVA_FLOAT_UNALIGNED, 4 * index, value);
      case "BF16" ->
          segment.set(
              ValueLayout.JAVA_SHORT_UNALIGNED,
              2 * index,
              (short) (Float.floatToRawIntBits(value) >>> 16));
      case "F16" ->
          segment.set(ValueLayout.JAVA_SHORT_UNALIGNED, 2 * index, Float.floatToFloat16(value));
      default -> throw new IllegalArgumentException("format " + format);
    }
  }

  /** Reads a stored F32, BF16 or F16 number. */
  public static float read(StorageFormat format, MemorySegment segment, long index) {
    return switch (format.name()) {
      case "F32" -> segment.get(ValueLayout.JAVA_FLOAT_UNALIGNED, 4 * index);
      case "BF16" ->
          Float.intBitsToFloat(segment.get(ValueLayout.JAVA_SHORT_UNALIGNED, 2 * index) << 16);
      case "F16" -> Float.float16ToFloat(segment.get(ValueLayout.JAVA_SHORT_UNALIGNED, 2 * index));
      default -> throw new IllegalArgumentException("format " + format);
    };
  }
}

package io.mla4j.ops;

/** Conversions between float32 and bfloat16, the upper half of a float32. */
public final class Bf16 {
  private Bf16() {}

  /** The float32 with the same value. */
  public static float toFloat(short bits) {
    return Float.intBitsToFloat(bits << 16);
  }

  /** The nearest bfloat16, ties to even; NaN stays NaN. */
  public static short fromFloat(float value) {
    return (short) (roundedBits(value) >>> 16);
  }

  /** The value of the nearest bfloat16 as a float32. */
  public static float round(float value) {
    return Float.intBitsToFloat(roundedBits(value));
  }

  private static int roundedBits(float value) {
    int bits = Float.floatToRawIntBits(value);
    if ((bits & 0x7fffffff) > 0x7f800000) {
      return (bits | 0x00400000) & 0xffff0000; // rounding could carry a NaN into infinity
    }
    return (bits + 0x7fff + ((bits >>> 16) & 1)) & 0xffff0000;
  }
}

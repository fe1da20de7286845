package io.mla4j.position;

/**
 * Powers of the rotary base, rounded to float32 at every step as the reference implementation
 * rounds them.
 */
final class Frequencies {
  private Frequencies() {}

  /** {@code theta^(2i/width)}. */
  static float power(double theta, int i, int width) {
    float exponent = 2f * i / width;
    return (float) Math.pow(theta, exponent);
  }

  /** {@code theta^(-2i/width)} for {@code i < width / 2}. */
  static float[] inverse(int width, double theta) {
    float[] inverse = new float[width / 2];
    for (int i = 0; i < inverse.length; i++) {
      inverse[i] = 1 / power(theta, i, width);
    }
    return inverse;
  }
}

package io.mla4j.ops;

/**
 * Four bits that stand for the steps of {@link Iq4NlFormat}, of latents under scales: two elements
 * in a byte, the first in its low bits. Of normally distributed elements the largest of which is
 * -127, no sixteen numbers are much nearer.
 */
final class Nl4Format extends BlockFormat {
  private static final byte[] VALUES = Iq4NlFormat.VALUES;
  private static final float LARGEST = 127;

  /** Elements above middle i are nearer to step i + 1 than to step i. */
  private static final float[] MIDDLES = new float[VALUES.length - 1];

  static {
    for (int i = 0; i < MIDDLES.length; i++) {
      MIDDLES[i] = (VALUES[i] + VALUES[i + 1]) / 2f;
    }
  }

  Nl4Format() {
    super("NL4", 21, 2, 1);
  }

  @Override
  void widenBlock(byte[] bytes, int from, float[] to, int at) {
    int q = byteAt(bytes, from);
    to[at] = VALUES[q & 15];
    to[at + 1] = VALUES[q >> 4];
  }

  @Override
  void narrowBlock(float[] from, int at, byte[] bytes, int to) {
    bytes[to] = (byte) (code(from[at]) | code(from[at + 1]) << 4);
  }

  private static int code(float x) {
    int code = 0;
    for (float middle : MIDDLES) {
      code += x > middle ? 1 : 0;
    }
    return code;
  }

  /**
   * The code of the element of the largest magnitude is -127: there is no 127. No code is 0, so a
   * scale has to be NaN where elements are not finite.
   */
  @Override
  public float latentScale(float largest, boolean isNegative) {
    return Float.isFinite(largest) ? (isNegative ? largest : -largest) / LARGEST : Float.NaN;
  }
}

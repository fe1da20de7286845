package io.mla4j.ops;

/**
 * The definition of products with {@link io.mla4j.ComputeType#INT8}.
 *
 * <p>A row x of activations is rounded in blocks of 32, the last filled up with zeros: with m the
 * largest magnitude of a block, its scale is s = m / 127 and its integers are q = x * (127 / m),
 * all float32, rounded to nearest even. Where m is below 2^-100 all are 0; where an element is
 * infinite or NaN, the scale is NaN and the integers are 0.
 *
 * <p>A product with a row of a weight, whose runs of 16 or 32 elements are {@code scale * code +
 * minimum}, is a sum in float32 from 0 on over the runs in their order: first {@code fma(scale * s,
 * sum of code * q, sum)}, then, where the format has minima, {@code fma(minimum, s * sum of q,
 * sum)}. Sums of integers are exact, so that all kernels give the same bits.
 */
public final class Int8 {
  /** Elements of activations that share a scale. */
  public static final int BLOCK = 32;

  private static final float LARGEST = 127;

  /** 127 divided by less than 2^-121 would be infinite. */
  private static final float SMALLEST = 0x1p-100f;

  private Int8() {}

  /** Blocks of a row of n elements. */
  public static int blocks(int n) {
    return Math.ceilDiv(n, BLOCK);
  }

  /**
   * Rounds {@code x[from .. from + n)}, a row, to codes of {@link Coding#run} 32 without minima.
   *
   * @param at {@code to.codes()[at ..]} and {@code to.scales()[at / 32 ..]} are written, whole
   *     blocks
   */
  public static void round(float[] x, int from, int n, Codes to, int at) {
    for (int i = 0; i < n; i += BLOCK) {
      roundBlock(x, from + i, Math.min(BLOCK, n - i), to, at + i);
    }
  }

  private static void roundBlock(float[] x, int from, int n, Codes to, int at) {
    float largest = 0;
    for (int i = from; i < from + n; i++) {
      largest = Math.max(largest, Math.abs(x[i])); // NaN stays NaN
    }
    boolean finite = largest < Float.POSITIVE_INFINITY;
    float inverse = finite && largest >= SMALLEST ? LARGEST / largest : 0;
    to.scales()[at / BLOCK] = !finite ? Float.NaN : inverse == 0 ? 0 : largest / LARGEST;
    for (int i = 0; i < BLOCK; i++) {
      to.codes()[at + i] = i < n && finite ? (byte) Math.rint(x[from + i] * inverse) : 0;
    }
  }

  /**
   * The product of a row of a weight and a row of activations of n elements.
   *
   * @param w from its first element on
   * @param x as {@link #round} wrote it from {@code at} on
   */
  public static float dot(Codes w, Coding coding, Codes x, int at, int n) {
    int run = coding.run();
    float product = 0;
    for (int i = 0; i < blocks(n) * BLOCK; i += run) {
      int sum = 0;
      int total = 0;
      for (int j = 0; j < run; j++) {
        sum += w.codes()[i + j] * x.codes()[at + i + j];
        total += x.codes()[at + i + j];
      }
      float scale = x.scales()[(at + i) / BLOCK];
      product = Math.fma(w.scales()[i / run] * scale, (float) sum, product);
      if (coding.hasMinima()) {
        product = Math.fma(w.minima()[i / run], scale * (float) total, product);
      }
    }
    return product;
  }
}

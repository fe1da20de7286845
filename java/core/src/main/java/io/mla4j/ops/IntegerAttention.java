package io.mla4j.ops;

/**
 * The definition of absorbed attention by integer products: {@link io.mla4j.ComputeType#INT8} over
 * latents that are stored as 8-bit codes under a scale for each group of columns.
 *
 * <p>Queries: with m the largest magnitude of a head's query in a group of columns, its scale is
 * {@code a = m / 127}, its codes are {@code x / a} to nearest even; all 0 where a is 0; where an
 * element is infinite or NaN, the codes are 0 and the scale is NaN. The rotated part is rounded to
 * bfloat16. The dot product with the row of token t, whose codes have scales s, begins with that of
 * the rotated parts, in float32; then for each group from the first on {@code fma(a * sum of code *
 * code, s, sum)}. What makes a score of it is as elsewhere.
 *
 * <p>Values: tokens fall into blocks of {@value #BLOCK} at multiples of it. Of the tokens of a
 * block that a query sees (and that are in the split at hand) b is the largest score, {@code p =
 * exp(score - b)}, and S the largest scale of a group. A token's integer is {@code p * w} to
 * nearest even, with {@code w = min(L, s * (L / S))} and {@code L = 255} or 32767 ({@link
 * Probabilities#largest}); scales that are not finite count as 0 here, and so do all where S is at
 * most 1e-30. The block adds {@code (S / L) * sum of integer * code} to the weighted sum of values,
 * and the sum of p, before rounding, to the divisor, both times {@code exp(b)} as online softmax
 * has it.
 *
 * <p>Sums of integers are exact, in 32 bits. So a row depends on no other, nor on tokens that it
 * does not see.
 */
public final class IntegerAttention {
  /** Tokens of a block. */
  public static final int BLOCK = 128;

  private static final float LARGEST_CODE = 127;
  private static final float LEAST_SCALE = 1e-30f;

  private IntegerAttention() {}

  /**
   * Rounds {@code x[from .. from + n)}, a group of a query, to codes.
   *
   * @param to {@code to[at .. at + n)} is written
   * @return the scale
   */
  public static float roundQuery(float[] x, int from, int n, int[] to, int at) {
    float largest = 0;
    for (int i = from; i < from + n; i++) {
      largest = Math.max(largest, Math.abs(x[i])); // NaN stays NaN
    }
    boolean finite = largest < Float.POSITIVE_INFINITY;
    float scale = largest / LARGEST_CODE;
    for (int i = 0; i < n; i++) {
      float code = finite && scale > 0 ? (float) Math.rint(x[from + i] / scale) : 0;
      to[at + i] = (int) Math.clamp(code, -LARGEST_CODE, LARGEST_CODE);
    }
    return finite ? scale : Float.NaN;
  }

  /** A scale of values, or 0 where it is not finite. */
  public static float finite(float scale) {
    return scale < Float.MAX_VALUE ? scale : 0;
  }

  /** L / S, or 0 where S is that of no value. */
  public static float unit(float largestScale, Probabilities probabilities) {
    return largestScale > LEAST_SCALE ? probabilities.largest() / largestScale : 0;
  }

  /** A token's integer. */
  public static int integer(float p, float scale, float unit, Probabilities probabilities) {
    float weight = Math.min(scale * unit, probabilities.largest());
    return (int) Math.rint((double) p * weight);
  }
}

package io.mla4j;

/**
 * What matrix products compute with. Sums, norms, softmax, rotations and routing are float32 in
 * all.
 *
 * <p>Every backend rounds at the same places.
 */
public enum ComputeType {
  /**
   * Activations, queries and probabilities stay float32; stored numbers are widened, which is
   * exact.
   */
  F32,
  /**
   * Float32 activations are rounded to bfloat16 (to nearest even) where they enter a matrix
   * product; queries and probabilities too where the cache is bfloat16. Weights keep their values;
   * the softmax denominator is summed before the probabilities are rounded.
   */
  BF16,
  /**
   * Where a weight is stored as integer codes ({@link io.mla4j.ops.Weight#isQuantised}) and a
   * product sums along its rows, activations are rounded to 8-bit integers, a scale for each row
   * and block of 32, and products of integers are summed: {@link io.mla4j.ops.Int8} has the
   * definition. Everywhere else it is {@link #BF16}.
   */
  INT8;

  /** Whether what is not multiplied as integers is rounded to bfloat16. */
  public boolean roundsToBf16() {
    return this != F32;
  }
}

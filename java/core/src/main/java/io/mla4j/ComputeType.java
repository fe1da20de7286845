package io.mla4j;

/**
 * What matrix products compute with. Sums, norms, softmax, rotations and routing are float32 in
 * both.
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
  BF16
}

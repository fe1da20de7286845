package io.mla4j.ops;

import io.mla4j.InvalidArgumentException;

/**
 * What turns a dot product into a score: {@code scale * (q . k) - alibiSlopes[h] * (i - j)}.
 *
 * @param scale there is no default: {@code 1 / sqrt(nope + rope)}, times the square of YaRN's
 *     mscale; never {@code 1 / sqrt(latent + rope)}
 * @param alibiSlopes (heads) F32, or null
 */
public record AttentionScore(float scale, Tensor alibiSlopes) {
  /**
   * Checks that the scale is a finite positive number.
   *
   * @throws InvalidArgumentException where it is not
   */
  public AttentionScore {
    if (!(scale > 0) || scale == Float.POSITIVE_INFINITY) {
      throw new InvalidArgumentException(
          "scale is " + scale + ", but must be a finite positive number");
    }
  }

  /** A scale without ALiBi. */
  public static AttentionScore of(float scale) {
    return new AttentionScore(scale, null);
  }
}

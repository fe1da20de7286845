package io.mla4j.ops;

import io.mla4j.InvalidArgumentException;
import org.jspecify.annotations.Nullable;

/**
 * What turns a dot product into a score: {@code scale * (q . k) - alibiSlopes[h] * (i - j)}.
 *
 * @param scale there is no default: {@code 1 / sqrt(nope + rope)}, times the square of YaRN's
 *     mscale; never {@code 1 / sqrt(latent + rope)}
 * @param alibiSlopes (heads) F32, or null
 * @param probabilities how the softmax of scores is rounded where integers are multiplied
 */
public record AttentionScore(
    float scale, @Nullable Tensor alibiSlopes, Probabilities probabilities) {
  /**
   * Checks that the scale is a finite positive number.
   *
   * @throws InvalidArgumentException where it is not, or where {@code probabilities} is null
   */
  public AttentionScore {
    if (!(scale > 0) || scale == Float.POSITIVE_INFINITY) {
      throw new InvalidArgumentException(
          "scale is " + scale + ", but must be a finite positive number");
    }
    if (probabilities == null) {
      throw new InvalidArgumentException("probabilities is null");
    }
  }

  /** With probabilities of 8 bits. */
  public AttentionScore(float scale, @Nullable Tensor alibiSlopes) {
    this(scale, alibiSlopes, Probabilities.BITS_8);
  }

  /** A scale without ALiBi. */
  public static AttentionScore of(float scale) {
    return new AttentionScore(scale, null);
  }

  /** The same with other probabilities. */
  public AttentionScore with(Probabilities probabilities) {
    return new AttentionScore(scale, alibiSlopes, probabilities);
  }
}

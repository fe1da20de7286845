package io.mla4j.position;

import io.mla4j.InvalidArgumentException;
import io.mla4j.ops.RopeLayout;

/**
 * A rotary position encoding: pair i of a vector at position t is turned by the angle {@code t *
 * inv[i]} (Su et al., 2021).
 *
 * @param width rotated elements, even, 0 to 1024; 0 rotates nothing
 * @param theta base of the frequencies, finite and above 1
 * @param layout which elements form a pair
 * @param scaling how the frequencies are stretched
 */
public record RopeEncoding(int width, double theta, RopeLayout layout, RopeScaling scaling) {
  /**
   * Checks the ranges above and that the scaling fits the width.
   *
   * @throws InvalidArgumentException naming the component that does not
   */
  public RopeEncoding {
    if (width < 0 || width > 1024 || width % 2 != 0) {
      throw new InvalidArgumentException("width is " + width + ", but must be even and in 0..1024");
    }
    if (!(theta > 1) || Double.isInfinite(theta)) {
      throw new InvalidArgumentException("theta is " + theta + ", but must be finite and above 1");
    }
    scaling.inverseFrequencies(width, theta, 1);
    scaling.inverseFrequencies(width, theta, Integer.MAX_VALUE);
  }
}

package io.mla4j.position;

import io.mla4j.InvalidArgumentException;
import java.util.Arrays;

/**
 * Slopes of attention with linear biases (Press et al., 2021): head h adds {@code -slope[h] * (i -
 * j)} to the score of query i and key j, after the dot product was scaled. The bias needs no state
 * in the cache, so it holds in both forms of attention.
 */
public final class AlibiSlopes {
  private AlibiSlopes() {}

  /**
   * The paper's slopes: {@code 2^(-8h/n)} for h = 1..n where n is a power of two; else the slopes
   * of the power of two below, p, followed by every second slope of 2p.
   *
   * @param heads 1 or more
   * @throws InvalidArgumentException where there is no head
   */
  public static float[] of(int heads) {
    requireHeads(heads);
    int power = Integer.highestOneBit(heads);
    float[] slopes = Arrays.copyOf(geometric(power), heads);
    float[] finer = geometric(2 * power);
    for (int h = power; h < heads; h++) {
      slopes[h] = finer[2 * (h - power)];
    }
    return slopes;
  }

  /**
   * MPT's variant: the slopes of the next power of two, those with odd index first, cut to n; the
   * same as {@link #of} where n is a power of two.
   *
   * @param heads 1 or more
   * @throws InvalidArgumentException where there is no head
   */
  public static float[] mpt(int heads) {
    requireHeads(heads);
    int power = Integer.highestOneBit(heads);
    if (power == heads) {
      return geometric(heads);
    }
    float[] finer = geometric(2 * power);
    float[] slopes = new float[heads];
    for (int h = 0; h < heads; h++) {
      slopes[h] = h < power ? finer[2 * h + 1] : finer[2 * (h - power)];
    }
    return slopes;
  }

  private static float[] geometric(int n) {
    float[] slopes = new float[n];
    for (int h = 0; h < n; h++) {
      slopes[h] = (float) Math.pow(2, -8.0 * (h + 1) / n);
    }
    return slopes;
  }

  private static void requireHeads(int heads) {
    if (heads < 1 || heads > 1 << 16) {
      throw new InvalidArgumentException("heads is " + heads + ", but must be in 1.." + (1 << 16));
    }
  }
}

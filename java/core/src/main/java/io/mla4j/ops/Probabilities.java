package io.mla4j.ops;

import io.mla4j.InvalidArgumentException;

/**
 * How probabilities are rounded where attention multiplies integers ({@link IntegerAttention}):
 * with {@link io.mla4j.ComputeType#INT8} over a cache of {@link io.mla4j.CacheType#INT8}. Elsewhere
 * it means nothing.
 */
public enum Probabilities {
  /** To 8 bits: fastest. */
  BITS_8(8),
  /** To 15 bits: no error to speak of beside that of 8-bit queries and rows. */
  BITS_15(15);

  private final int bits;

  Probabilities(int bits) {
    this.bits = bits;
  }

  /**
   * Those of so many bits.
   *
   * @throws InvalidArgumentException where there are none
   */
  public static Probabilities of(int bits) {
    for (Probabilities value : values()) {
      if (value.bits == bits) {
        return value;
      }
    }
    throw new InvalidArgumentException("probabilities is " + bits + ", but must be 8 or 15");
  }

  /** Bits of the integers. */
  public int bits() {
    return bits;
  }

  /** The largest integer. */
  public int largest() {
    return (1 << bits) - 1;
  }
}

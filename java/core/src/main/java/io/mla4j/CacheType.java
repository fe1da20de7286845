package io.mla4j;

import io.mla4j.ops.TensorType;

/** The type of the numbers in a latent cache. */
public enum CacheType {
  /** Four bytes a number. */
  F32(TensorType.F32),
  /** Two bytes a number, rounded to nearest even when written. */
  BF16(TensorType.BF16);

  private final TensorType tensorType;

  CacheType(TensorType tensorType) {
    this.tensorType = tensorType;
  }

  /** The type of one stored number. */
  public TensorType tensorType() {
    return tensorType;
  }
}

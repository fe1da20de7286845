package io.mla4j.ops;

/** The type of a stored number. */
public enum TensorType {
  /** IEEE 754 binary32. */
  F32(4),
  /** The upper half of a binary32. */
  BF16(2),
  /** IEEE 754 binary16. */
  F16(2),
  /** Eight bits: sign, 4 exponent bits (bias 7), 3 fraction bits; largest 448, no infinity. */
  F8_E4M3(1),
  /** 32-bit two's complement. */
  I32(4),
  /** 64-bit two's complement. */
  I64(8),
  /** An unsigned byte. */
  U8(1);

  private final int bytes;

  TensorType(int bytes) {
    this.bytes = bytes;
  }

  /** Bytes of one number. */
  public int bytes() {
    return bytes;
  }
}

package io.mla4j.checkpoint;

import io.mla4j.ops.StorageFormat;
import java.util.Optional;

/**
 * The element types of the safetensors format. All are read; only those with a {@link #format} can
 * be computed with.
 */
public enum StoredType {
  /** A byte that is 0 or 1. */
  BOOL(1, null),
  /** An unsigned byte. */
  U8(1, StorageFormat.U8),
  /** A signed byte. */
  I8(1, null),
  /** Eight-bit float, 5 exponent bits. */
  F8_E5M2(1, null),
  /** Eight-bit float, 4 exponent bits, no infinity. */
  F8_E4M3(1, null),
  /** A power of two: an exponent alone. */
  F8_E8M0(1, null),
  /** Signed 16 bits. */
  I16(2, null),
  /** Unsigned 16 bits. */
  U16(2, null),
  /** IEEE 754 binary16. */
  F16(2, StorageFormat.F16),
  /** The upper half of a binary32. */
  BF16(2, StorageFormat.BF16),
  /** Signed 32 bits. */
  I32(4, StorageFormat.I32),
  /** Unsigned 32 bits. */
  U32(4, null),
  /** IEEE 754 binary32. */
  F32(4, StorageFormat.F32),
  /** Pair of binary32. */
  C64(8, null),
  /** IEEE 754 binary64. */
  F64(8, null),
  /** Signed 64 bits. */
  I64(8, StorageFormat.I64),
  /** Unsigned 64 bits. */
  U64(8, null);

  private final int bytes;
  private final StorageFormat format;

  StoredType(int bytes, StorageFormat format) {
    this.bytes = bytes;
    this.format = format;
  }

  /** Bytes of one element. */
  public int bytes() {
    return bytes;
  }

  /** The same type in computations, where there is one. */
  public Optional<StorageFormat> format() {
    return Optional.ofNullable(format);
  }

  /** Whether weights of this type can be computed with. */
  public boolean isWeight() {
    return format != null && format.isWeight();
  }

  /** The type called {@code name} in a header. */
  static Optional<StoredType> named(String name) {
    for (StoredType type : values()) {
      if (type.name().equals(name)) {
        return Optional.of(type);
      }
    }
    return Optional.empty();
  }
}

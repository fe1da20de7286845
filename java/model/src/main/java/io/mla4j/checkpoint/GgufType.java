package io.mla4j.checkpoint;

/** The types of values in the metadata of a GGUF file; their ordinals are its numbers for them. */
enum GgufType {
  UINT8(1),
  INT8(1),
  UINT16(2),
  INT16(2),
  UINT32(4),
  INT32(4),
  FLOAT32(4),
  BOOL(1),
  STRING(8),
  ARRAY(12),
  UINT64(8),
  INT64(8),
  FLOAT64(8);

  private final int leastBytes;

  GgufType(int leastBytes) {
    this.leastBytes = leastBytes;
  }

  /** Bytes of a value: of the shortest, where they differ. */
  int leastBytes() {
    return leastBytes;
  }

  boolean isWholeNumber() {
    return switch (this) {
      case UINT8, INT8, UINT16, INT16, UINT32, INT32, UINT64, INT64 -> true;
      default -> false;
    };
  }

  boolean isNumber() {
    return this == FLOAT32 || this == FLOAT64 || isWholeNumber();
  }
}

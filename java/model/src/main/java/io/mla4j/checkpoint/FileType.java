package io.mla4j.checkpoint;

import io.mla4j.InvalidArgumentException;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * The types that a whole model can be written in, which decide that of each weight as llama.cpp's
 * llama-quantize does: embeddings and outputs that are one, and outputs, have six bits where others
 * have four; in some layers of Q4_K_M the down-projections too; rows that are no whole blocks have
 * a type with smaller blocks. (Its exceptions for models of exactly eight experts are left out.)
 */
public enum FileType {
  /** Eight bits. */
  Q8_0(7, StoredType.Q8_0),
  /** Four bits, simple blocks. */
  Q4_0(2, StoredType.Q4_0),
  /** Four bits and some of six. */
  Q4_K_M(15, StoredType.Q4_K),
  /** Six bits. */
  Q6_K(18, StoredType.Q6_K),
  /** Sixteen bits. */
  BF16(32, StoredType.BF16);

  private final int code;
  private final StoredType type;

  FileType(int code, StoredType type) {
    this.code = code;
    this.type = type;
  }

  /** The value of the key {@code general.file_type}. */
  int code() {
    return code;
  }

  /**
   * The type called {@code name}, in whichever case.
   *
   * @throws InvalidArgumentException where there is none, with those that are known
   */
  public static FileType named(String name) {
    return Arrays.stream(values())
        .filter(type -> type.name().equalsIgnoreCase(name))
        .findFirst()
        .orElseThrow(
            () ->
                new InvalidArgumentException(
                    "file type is " + name + ", but must be one of " + names()));
  }

  private static String names() {
    return Arrays.stream(values())
        .map(type -> type.name().toLowerCase(Locale.ROOT))
        .collect(Collectors.joining(", "));
  }

  /**
   * The type of a weight.
   *
   * @param tied whether the embedding is the output too
   */
  StoredType of(TensorRole role, int columns, int layer, int layers, boolean tied) {
    if (this == BF16) {
      return type;
    }
    boolean output = role == TensorRole.OUTPUT || tied && role == TensorRole.EMBEDDING;
    if (output) {
      boolean eight = this == Q8_0 || columns % type.blockElements() != 0;
      return fitting(eight ? StoredType.Q8_0 : StoredType.Q6_K, columns);
    }
    boolean down =
        role == TensorRole.DENSE_DOWN
            || role == TensorRole.EXPERT_DOWN
            || role == TensorRole.SHARED_DOWN;
    boolean more = this == Q4_K_M && down && moreBits(layer, layers);
    return fitting(more ? StoredType.Q6_K : type, columns);
  }

  private static boolean moreBits(int layer, int layers) {
    return layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2;
  }

  /** The same type, or one whose blocks fit the rows. */
  private static StoredType fitting(StoredType type, int columns) {
    if (columns % type.blockElements() == 0) {
      return type;
    }
    StoredType smaller =
        switch (type) {
          case Q4_K -> StoredType.Q5_0;
          case Q6_K -> StoredType.Q8_0;
          default -> StoredType.F16;
        };
    return columns % smaller.blockElements() == 0 ? smaller : StoredType.F16;
  }
}

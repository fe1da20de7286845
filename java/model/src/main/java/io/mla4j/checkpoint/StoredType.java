package io.mla4j.checkpoint;

import io.mla4j.ops.StorageFormat;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The element types of safetensors and GGUF files. All are read; only those with a {@link #format}
 * can be computed with.
 */
public enum StoredType {
  /** A byte that is 0 or 1. */
  BOOL(1, Id.NONE),
  /** An unsigned byte. */
  U8(1, Id.NONE),
  /** A signed byte. */
  I8(1, 24),
  /** Eight-bit float, 5 exponent bits. */
  F8_E5M2(1, Id.NONE),
  /** Eight-bit float, 4 exponent bits, no infinity. */
  F8_E4M3(1, Id.NONE),
  /** A power of two: an exponent alone. */
  F8_E8M0(1, Id.NONE),
  /** Signed 16 bits. */
  I16(2, 25),
  /** Unsigned 16 bits. */
  U16(2, Id.NONE),
  /** IEEE 754 binary16. */
  F16(2, 1),
  /** The upper half of a binary32. */
  BF16(2, 30),
  /** Signed 32 bits. */
  I32(4, 26),
  /** Unsigned 32 bits. */
  U32(4, Id.NONE),
  /** IEEE 754 binary32. */
  F32(4, 0),
  /** Pair of binary32. */
  C64(8, Id.NONE),
  /** IEEE 754 binary64. */
  F64(8, 28),
  /** Signed 64 bits. */
  I64(8, 27),
  /** Unsigned 64 bits. */
  U64(8, Id.NONE),
  /** Eight four-bit integers in 32 bits, the first in the lowest, each stored plus 8. */
  I4(Id.NONE, 8, 4),
  /** Two four-bit floats (e2m1) in a byte, the first in the lower half. */
  F4(Id.NONE, 2, 1),
  /** Blocks of ggml, as all below. */
  Q4_0(2, 32, 18),
  /** Four bits, scale and minimum. */
  Q4_1(3, 32, 20),
  /** Five bits and a scale. */
  Q5_0(6, 32, 22),
  /** Five bits, scale and minimum. */
  Q5_1(7, 32, 24),
  /** Eight bits and a scale. */
  Q8_0(8, 32, 34),
  /** Activations of ggml. */
  Q8_1(9, 32, 36),
  /** Two bits in super-blocks. */
  Q2_K(10, 256, 84),
  /** Three bits in super-blocks. */
  Q3_K(11, 256, 110),
  /** Four bits in super-blocks. */
  Q4_K(12, 256, 144),
  /** Five bits in super-blocks. */
  Q5_K(13, 256, 176),
  /** Six bits in super-blocks. */
  Q6_K(14, 256, 210),
  /** Activations of ggml. */
  Q8_K(15, 256, 292),
  /** Codebook, 2.06 bits. */
  IQ2_XXS(16, 256, 66),
  /** Codebook, 2.31 bits. */
  IQ2_XS(17, 256, 74),
  /** Codebook, 3.06 bits. */
  IQ3_XXS(18, 256, 98),
  /** Codebook, 1.56 bits. */
  IQ1_S(19, 256, 50),
  /** Four bits through a table. */
  IQ4_NL(20, 32, 18),
  /** Codebook, 3.44 bits. */
  IQ3_S(21, 256, 110),
  /** Codebook, 2.56 bits. */
  IQ2_S(22, 256, 82),
  /** Four bits through a table, in super-blocks. */
  IQ4_XS(23, 256, 136),
  /** Codebook, 1.75 bits. */
  IQ1_M(29, 256, 56),
  /** Ternary, 1.69 bits. */
  TQ1_0(34, 256, 54),
  /** Ternary, 2.06 bits. */
  TQ2_0(35, 256, 66),
  /** Four-bit floats and an exponent. */
  MXFP4(39, 32, 17),
  /** Four-bit floats and eight-bit scales. */
  NVFP4(40, 64, 36),
  /** One bit and a scale. */
  Q1_0(41, 128, 18),
  /** Two bits and a scale. */
  Q2_0(42, 64, 18);

  /** A number that no GGUF file uses. */
  private static final class Id {
    static final int NONE = -1;
  }

  private final int gguf;
  private final int blockElements;
  private final int blockBytes;
  private final boolean inSafetensors;
  private final @Nullable StorageFormat format;

  /** A type whose elements are stored one by one: of safetensors, some of GGUF too. */
  StoredType(int bytes, int gguf) {
    this.gguf = gguf;
    this.blockElements = 1;
    this.blockBytes = bytes;
    this.inSafetensors = true;
    this.format = formatCalled(name());
  }

  /** A type that is stored in blocks: of GGUF, but for the first two. */
  StoredType(int gguf, int blockElements, int blockBytes) {
    this.gguf = gguf;
    this.blockElements = blockElements;
    this.blockBytes = blockBytes;
    this.inSafetensors = name().equals("F4");
    this.format = formatCalled(name());
  }

  private static @Nullable StorageFormat formatCalled(String name) {
    return switch (name) {
      case "U8" -> StorageFormat.U8;
      case "I32" -> StorageFormat.I32;
      case "I64" -> StorageFormat.I64;
      case "F8_E8M0" -> formatCalled(StorageFormat.scales(), "E8M0");
      default -> formatCalled(StorageFormat.weights(), name);
    };
  }

  private static @Nullable StorageFormat formatCalled(List<StorageFormat> formats, String name) {
    return formats.stream().filter(format -> format.name().equals(name)).findFirst().orElse(null);
  }

  /** The number that GGUF files give the type, or -1. */
  int gguf() {
    return gguf;
  }

  /** Elements of a block: 1 where each is stored by itself. */
  public int blockElements() {
    return blockElements;
  }

  /** Bytes of a block. */
  public int blockBytes() {
    return blockBytes;
  }

  /**
   * Bytes of {@code elements} elements, a multiple of {@link #blockElements}.
   *
   * @throws ArithmeticException where they are more than a long counts
   */
  public long bytes(long elements) {
    return Math.multiplyExact(elements / blockElements, (long) blockBytes);
  }

  /**
   * Bytes of a tensor whose rows, the last of its dimensions, are filled up to whole blocks.
   *
   * @throws ArithmeticException where they are more than a long counts
   */
  long bytes(List<Long> shape) {
    long row = bytes(Math.ceilDiv(shape.getLast(), blockElements) * (long) blockElements);
    return shape.subList(0, shape.size() - 1).stream().reduce(row, Math::multiplyExact);
  }

  /** The type in computations, where there is one. */
  public Optional<StorageFormat> format() {
    return Optional.ofNullable(format);
  }

  /** Whether weights of this type can be computed with. */
  public boolean isWeight() {
    return format != null && format.isWeight();
  }

  /** Whether it says something only together with scales that lie elsewhere. */
  boolean needsScales() {
    return this == F8_E4M3 || this == I8 || this == I4 || this == F4;
  }

  /** Whether scales may be stored in it. */
  boolean isScale() {
    return format != null && format.isScale();
  }

  /** The type called {@code name} in a header of safetensors. */
  static Optional<StoredType> named(String name) {
    return Arrays.stream(values())
        .filter(type -> type.inSafetensors && type.name().equals(name))
        .findFirst();
  }

  /** The type that a header of safetensors has for tensors of {@code format}. */
  static Optional<StoredType> inSafetensors(StorageFormat format) {
    return Arrays.stream(values())
        .filter(type -> type.inSafetensors && type.format == format)
        .findFirst();
  }

  /** The names of a header of safetensors, for a message. */
  static String safetensorsNames() {
    return Arrays.stream(values())
        .filter(type -> type.inSafetensors)
        .map(StoredType::name)
        .collect(Collectors.joining(", ", "[", "]"));
  }

  /** The type that GGUF files give the number {@code id}. */
  static Optional<StoredType> ofGguf(long id) {
    return Arrays.stream(values()).filter(type -> type.gguf >= 0 && type.gguf == id).findFirst();
  }
}

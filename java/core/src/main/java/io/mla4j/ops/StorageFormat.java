package io.mla4j.ops;

import io.mla4j.InvalidArgumentException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * How the elements of a tensor are stored: in blocks of so many elements and so many bytes, one
 * after the other along a row.
 *
 * <p>A format is one class that says how a block becomes float32, exactly, and one line in the list
 * below. Kernels that know more about it than that are faster, and all others read it through
 * {@link #widen}.
 */
public abstract class StorageFormat {
  private static final List<StorageFormat> WEIGHTS = new ArrayList<>();
  private static final List<StorageFormat> SCALES = new ArrayList<>();

  /** IEEE 754 binary32. */
  public static final StorageFormat F32 = scale(weight(new F32Format()));

  /** The upper half of a binary32. */
  public static final StorageFormat BF16 = scale(weight(new Bf16Format()));

  /** IEEE 754 binary16. */
  public static final StorageFormat F16 = scale(weight(new F16Format()));

  /** ggml's 4-bit blocks of 32 with a scale. */
  public static final StorageFormat Q4_0 = weight(new Q40Format());

  /** ggml's 4-bit blocks of 32 with scale and minimum. */
  public static final StorageFormat Q4_1 = weight(new Q41Format());

  /** ggml's 5-bit blocks of 32 with a scale. */
  public static final StorageFormat Q5_0 = weight(new Q50Format());

  /** ggml's 5-bit blocks of 32 with scale and minimum. */
  public static final StorageFormat Q5_1 = weight(new Q51Format());

  /** ggml's 8-bit blocks of 32 with a scale. */
  public static final StorageFormat Q8_0 = weight(new Q80Format());

  /** ggml's 2-bit blocks of 256. */
  public static final StorageFormat Q2_K = weight(new Q2KFormat());

  /** ggml's 3-bit blocks of 256. */
  public static final StorageFormat Q3_K = weight(new Q3KFormat());

  /** ggml's 4-bit blocks of 256. */
  public static final StorageFormat Q4_K = weight(new Q4KFormat());

  /** ggml's 5-bit blocks of 256. */
  public static final StorageFormat Q5_K = weight(new Q5KFormat());

  /** ggml's 6-bit blocks of 256. */
  public static final StorageFormat Q6_K = weight(new Q6KFormat());

  /** ggml's blocks of 32 with a table of 16 steps. */
  public static final StorageFormat IQ4_NL = weight(new Iq4NlFormat());

  /** ggml's blocks of 256 with the same table. */
  public static final StorageFormat IQ4_XS = weight(new Iq4XsFormat());

  /** ggml's blocks of 32 four-bit floats with a power of two. */
  public static final StorageFormat MXFP4 = weight(new Mxfp4Format());

  /** An 8-bit float, as a rule under scales. */
  public static final StorageFormat F8_E4M3 = weight(new F8E4m3Format());

  /** A signed byte under scales. */
  public static final StorageFormat I8 = weight(new I8Format());

  /** Eight 4-bit integers in an int, under scales. */
  public static final StorageFormat I4 = weight(new I4Format());

  /** Two 4-bit floats in a byte, under scales. */
  public static final StorageFormat F4 = weight(new F4Format());

  /** Sixteen steps, two in a byte, of latents under scales alone. */
  public static final StorageFormat NL4 = new Nl4Format();

  /** A power of two, of scales alone. */
  public static final StorageFormat E8M0 = scale(new E8m0Format());

  /** 32-bit two's complement. */
  public static final StorageFormat I32 = new IntegerFormat("I32", 4);

  /** 64-bit two's complement. */
  public static final StorageFormat I64 = new IntegerFormat("I64", 8);

  /** An unsigned byte. */
  public static final StorageFormat U8 = new IntegerFormat("U8", 1);

  private final String name;
  private final int code;
  private final int blockElements;
  private final int blockBytes;

  /**
   * A format.
   *
   * @param code {@code MLA_TYPE_*} of native kernels, or -1 where they have none
   */
  StorageFormat(String name, int code, int blockElements, int blockBytes) {
    this.name = name;
    this.code = code;
    this.blockElements = blockElements;
    this.blockBytes = blockBytes;
  }

  private static StorageFormat weight(StorageFormat format) {
    WEIGHTS.add(format);
    return format;
  }

  private static StorageFormat scale(StorageFormat format) {
    SCALES.add(format);
    return format;
  }

  /** The formats that weights may be stored in. */
  public static List<StorageFormat> weights() {
    return List.copyOf(WEIGHTS);
  }

  /** The formats that {@link Scales} may be stored in. */
  public static List<StorageFormat> scales() {
    return List.copyOf(SCALES);
  }

  /** The names of the formats of weights for a message: {@code F32, BF16 or F16}. */
  public static String weightNames() {
    return names(WEIGHTS);
  }

  static String names(List<StorageFormat> formats) {
    String all = formats.stream().map(StorageFormat::name).collect(Collectors.joining(", "));
    int last = all.lastIndexOf(", ");
    return all.substring(0, last) + " or " + all.substring(last + 2);
  }

  /**
   * The format of weights that users call {@code name}, in whichever case.
   *
   * @throws InvalidArgumentException where there is none, with those that are known
   */
  public static StorageFormat weight(String name) {
    for (StorageFormat format : WEIGHTS) {
      if (format.name.equalsIgnoreCase(name)) {
        return format;
      }
    }
    throw new InvalidArgumentException("weight type is " + name + ", but must be " + weightNames());
  }

  /** The name that users say. */
  public final String name() {
    return name;
  }

  /** {@code MLA_TYPE_*} of native kernels, or -1 where they have none. */
  public final int code() {
    return code;
  }

  /** Elements of a block: 1 where each is stored by itself. */
  public final int blockElements() {
    return blockElements;
  }

  /** Bytes of a block. */
  public final int blockBytes() {
    return blockBytes;
  }

  /**
   * Bytes of {@code elements} elements, a block that has only begun as a whole one: the offset of
   * the block that follows them.
   *
   * @throws ArithmeticException where they are more than a long counts
   */
  public final long bytes(long elements) {
    return Math.multiplyExact(
        blockElements == 1 ? elements : Math.ceilDiv(elements, blockElements), (long) blockBytes);
  }

  /** {@code elements} and what fills their last block. */
  public final long padded(long elements) {
    return Math.multiplyExact(Math.ceilDiv(elements, blockElements), (long) blockElements);
  }

  /** Whether weights may be stored in it. */
  public final boolean isWeight() {
    return WEIGHTS.contains(this);
  }

  /** Whether {@link Scales} may be stored in it. */
  public final boolean isScale() {
    return SCALES.contains(this);
  }

  /**
   * Reads elements as float32, which is exact. The last block may be read in part.
   *
   * @param offset bytes from the segment's start to the first element, which begins a block
   * @param to {@code to[at .. at + n)} is written
   * @throws InvalidArgumentException where the format holds no real numbers
   */
  public abstract void widen(MemorySegment segment, long offset, float[] to, int at, int n);

  /** How its elements are integers, or null where they are not. */
  public @Nullable Coding coding() {
    return null;
  }

  /**
   * How its elements are integers.
   *
   * @throws InvalidArgumentException where they are not
   */
  public final Coding requiredCoding() {
    Coding coding = coding();
    if (coding == null) {
      throw withoutCoding();
    }
    return coding;
  }

  private InvalidArgumentException withoutCoding() {
    return new InvalidArgumentException("elements of " + name + " are no integers under scales");
  }

  /**
   * Reads elements of a format with a {@link #coding} as integers, whole blocks of {@link
   * Int8#BLOCK}: what the last block has beyond n is unspecified, but that its scales are the
   * stored ones.
   *
   * @param offset bytes from the segment's start to the first element, which begins a block
   * @param to gets room; codes are written from {@code at} on, scales and minima from {@code at /
   *     run} on
   * @param at a multiple of 32, and of the elements of a block
   * @throws InvalidArgumentException where the format is no integers
   */
  public void codes(MemorySegment segment, long offset, Codes to, int at, int n) {
    throw withoutCoding();
  }

  /**
   * Reads one element of a format of {@link #scales}.
   *
   * @param offset bytes from the segment's start to the element
   */
  public float read(MemorySegment segment, long offset) {
    throw new InvalidArgumentException("scales cannot be stored as " + name);
  }

  /**
   * Writes float32 elements, each rounded to the nearest that the format holds, ties to even.
   *
   * @param from {@code from[at .. at + n)} is read
   * @param offset bytes from the segment's start to the first element, which begins a block
   * @throws InvalidArgumentException where elements cannot be written one by one
   */
  public void narrow(float[] from, int at, int n, MemorySegment segment, long offset) {
    throw cannotBeStored();
  }

  /** Why nothing is written. */
  final InvalidArgumentException cannotBeStored() {
    return new InvalidArgumentException("float32 elements cannot be stored as " + name);
  }

  /**
   * The scale of latents that share one, before it is stored: elements divided by it are in the
   * range of the codes.
   *
   * @param largest magnitude of the elements
   * @param isNegative whether one of them is {@code -largest}
   * @throws InvalidArgumentException where latents under scales cannot be stored in this format
   */
  public float latentScale(float largest, boolean isNegative) {
    throw new InvalidArgumentException("latents under scales cannot be stored as " + name);
  }

  @Override
  public final String toString() {
    return name;
  }
}

package io.mla4j;

import io.mla4j.ops.StorageFormat;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * How the rows of a latent cache are stored: one line for each type.
 *
 * <p>A type without scales stores every element by itself. One with scales has latents of codes:
 * element i is {@code code[i] * scale[i / scaleColumns]}, a product in float32, with {@code scale =
 * max |x| / largest code} of the elements that share it ({@link StorageFormat#latentScale}) and
 * {@code code} the nearest to {@code x / scale}; rotated keys stay bfloat16. Scales lie in a plane
 * behind the rows of their page.
 */
public final class CacheType {
  private static final List<CacheType> ALL = new ArrayList<>();

  /** Four bytes an element. */
  public static final CacheType F32 = plain("F32", StorageFormat.F32, false);

  /** Two bytes an element, rounded to nearest even when written. */
  public static final CacheType BF16 = plain("BF16", StorageFormat.BF16, true);

  /**
   * Latents of bytes with a float32 scale for 128 of them: 656 bytes a token where latents have 512
   * elements and rotated keys 64.
   */
  public static final CacheType INT8 =
      scaled("INT8", StorageFormat.I8, new Scales(StorageFormat.F32, 128));

  /**
   * Latents of 8-bit floats (E4M3) with a float32 scale for 128 of them: as many bytes, and what
   * FlashMLA's rows hold, see {@link FlashMlaRows}.
   */
  public static final CacheType FP8 =
      scaled("FP8", StorageFormat.F8_E4M3, new Scales(StorageFormat.F32, 128));

  /**
   * Latents of sixteen steps, small ones near zero, with a bfloat16 scale for 32 of them: 416 bytes
   * a token where latents have 512 elements and rotated keys 64.
   */
  public static final CacheType INT4 =
      scaled("INT4", StorageFormat.NL4, new Scales(StorageFormat.BF16, 32));

  private final String name;
  private final StorageFormat format;
  private final StorageFormat ropeFormat;
  private final boolean multipliesBf16;

  /** Null where there are none. */
  private final @Nullable Scales scales;

  /** Scales of a format, one for so many elements. */
  private record Scales(StorageFormat format, int columns) {}

  private CacheType(
      String name,
      StorageFormat format,
      StorageFormat ropeFormat,
      boolean multipliesBf16,
      @Nullable Scales scales) {
    this.name = name;
    this.format = format;
    this.ropeFormat = ropeFormat;
    this.multipliesBf16 = multipliesBf16;
    this.scales = scales;
    ALL.add(this);
  }

  private static CacheType plain(String name, StorageFormat format, boolean multipliesBf16) {
    return new CacheType(name, format, format, multipliesBf16, null);
  }

  private static CacheType scaled(String name, StorageFormat codes, Scales scales) {
    return new CacheType(name, codes, StorageFormat.BF16, true, scales);
  }

  /** All of them. */
  public static List<CacheType> all() {
    return List.copyOf(ALL);
  }

  /**
   * The type that users call {@code name}, in whichever case.
   *
   * @throws InvalidArgumentException where there is none, with those that are known
   */
  public static CacheType of(String name) {
    for (CacheType type : ALL) {
      if (type.name.equalsIgnoreCase(name)) {
        return type;
      }
    }
    throw new InvalidArgumentException("cache type is " + name + ", but must be one of " + names());
  }

  /** What users may say: {@code f32, bf16, ..}. */
  public static String names() {
    return ALL.stream()
        .map(type -> type.name.toLowerCase(Locale.ROOT))
        .collect(Collectors.joining(", "));
  }

  /** The name that users say. */
  public String name() {
    return name;
  }

  /** How an element of a latent is stored, a code where there are scales. */
  public StorageFormat format() {
    return format;
  }

  /** How an element of a rotated key is stored. */
  public StorageFormat ropeFormat() {
    return ropeFormat;
  }

  /** Whether latents are codes under scales. */
  public boolean hasScales() {
    return scales != null;
  }

  /**
   * How a scale is stored.
   *
   * @throws InvalidStateException where there are no scales
   */
  public StorageFormat scaleFormat() {
    if (scales == null) {
      throw new InvalidStateException("cache type " + name + " has no scales");
    }
    return scales.format;
  }

  /** Elements of a latent that share a scale, a multiple of 32; 0 where there are no scales. */
  public int scaleColumns() {
    return scales == null ? 0 : scales.columns;
  }

  /** The type of rows that are not latents, an indexer's keys: bfloat16 where this has scales. */
  public CacheType ofKeys() {
    return hasScales() ? BF16 : this;
  }

  /**
   * Whether queries, probabilities, elements under scales, and what is rebuilt from the cache are
   * rounded to bfloat16 in {@code compute}.
   */
  public boolean rounds(ComputeType compute) {
    return multipliesBf16 && compute.roundsToBf16();
  }

  /**
   * Whether absorbed attention multiplies the codes of latents as integers in {@code compute}, as
   * {@link io.mla4j.ops.IntegerAttention} defines it.
   */
  public boolean multipliesCodes(ComputeType compute) {
    return compute == ComputeType.INT8 && format == StorageFormat.I8;
  }

  @Override
  public String toString() {
    return name;
  }
}

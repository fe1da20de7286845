package io.mla4j;

import io.mla4j.ops.StorageFormat;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/** How the elements of a latent cache are stored: one line for each type. */
public final class CacheType {
  private static final List<CacheType> ALL = new ArrayList<>();

  /** Four bytes an element. */
  public static final CacheType F32 = listed(new CacheType("F32", StorageFormat.F32, false));

  /** Two bytes an element, rounded to nearest even when written. */
  public static final CacheType BF16 = listed(new CacheType("BF16", StorageFormat.BF16, true));

  private final String name;
  private final StorageFormat format;
  private final boolean multipliesBf16;

  private CacheType(String name, StorageFormat format, boolean multipliesBf16) {
    this.name = name;
    this.format = format;
    this.multipliesBf16 = multipliesBf16;
  }

  private static CacheType listed(CacheType type) {
    ALL.add(type);
    return type;
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
    throw new InvalidArgumentException(
        "cache type is "
            + name
            + ", but must be one of "
            + ALL.stream()
                .map(t -> t.name.toLowerCase(Locale.ROOT))
                .collect(Collectors.joining(", ")));
  }

  /** The name that users say. */
  public String name() {
    return name;
  }

  /** How an element is stored; a row is a whole number of its blocks. */
  public StorageFormat format() {
    return format;
  }

  /**
   * Whether queries, probabilities and what is rebuilt from the cache are rounded to bfloat16 in
   * {@code compute}.
   */
  public boolean rounds(ComputeType compute) {
    return multipliesBf16 && compute.roundsToBf16();
  }

  @Override
  public String toString() {
    return name;
  }
}

package io.mla4j;

import io.mla4j.ops.StorageFormat;

/**
 * How one cached row lies in memory: the latent, zeros up to a multiple of 16 numbers, the rotated
 * key, zeros up to a multiple of 16 numbers; the row starts at a multiple of 64 bytes. 512 + 64
 * bf16 numbers are 1152 bytes without any padding.
 *
 * @param latent numbers of the latent, 1 to 4096
 * @param rope numbers of the rotated key, even, 0 to 1024
 * @param type type of the numbers
 */
public record LatentLayout(int latent, int rope, CacheType type) {
  /**
   * Checks the ranges above.
   *
   * @throws InvalidArgumentException naming the component that is out of its range
   */
  public LatentLayout {
    if (latent < 1 || latent > 4096) {
      throw new InvalidArgumentException("latent is " + latent + ", but must be in 1..4096");
    }
    if (rope < 0 || rope > 1024 || rope % 2 != 0) {
      throw new InvalidArgumentException("rope is " + rope + ", but must be even and in 0..1024");
    }
    if (type == null) {
      throw new InvalidArgumentException("type is null");
    }
  }

  /** The layout of the rows of {@code shape}. */
  public static LatentLayout of(MlaShape shape, CacheType type) {
    return new LatentLayout(shape.latent(), shape.rope(), type);
  }

  /** The element at which the rotated key starts. */
  public int ropeOffset() {
    return (int) roundUp(latent, multiple());
  }

  /** Bytes from one row to the next. */
  public long rowStrideBytes() {
    return roundUp(type.format().bytes(ropeOffset() + roundUp(rope, multiple())), 64);
  }

  /** Elements of a row with all of its padding: the whole blocks in its bytes. */
  public int rowElements() {
    StorageFormat format = type.format();
    return (int) (rowStrideBytes() / format.blockBytes()) * format.blockElements();
  }

  private int multiple() {
    return Math.max(16, type.format().blockElements());
  }

  private static long roundUp(long n, int multiple) {
    return (n + multiple - 1) / multiple * multiple;
  }
}

package io.mla4j;

/**
 * How one cached row lies in memory: the latent, zeros up to a multiple of 16 numbers, the rotated key, zeros up to a multiple
 * of 16 numbers; the row starts at a multiple of 64 bytes. 512 + 64 bf16 numbers are 1152 bytes without any padding.
 *
 * @param latent numbers of the latent, 1 to 4096
 * @param rope numbers of the rotated key, even, 0 to 1024
 * @param type type of the numbers
 */
public record LatentLayout(int latent, int rope, CacheType type) {
  /** The layout of the rows of {@code shape}. */
  public static LatentLayout of(MlaShape shape, CacheType type) {
    return new LatentLayout(shape.latent(), shape.rope(), type);
  }

  /** The element at which the rotated key starts. */
  public int ropeOffset() {
    return roundUp(latent, 16);
  }

  /** Bytes from one row to the next. */
  public long rowStrideBytes() {
    return roundUp((ropeOffset() + roundUp(rope, 16)) * type.tensorType().bytes(), 64);
  }

  private static int roundUp(int n, int multiple) {
    return (n + multiple - 1) / multiple * multiple;
  }
}

package io.mla4j;

/**
 * How one cached row lies in memory: the latent, zeros up to a multiple of 16 numbers, the rotated
 * key, zeros up to a multiple of 16 numbers; the row starts at a multiple of 64 bytes. 512 + 64
 * bf16 numbers are 1152 bytes without any padding.
 *
 * <p>Latents under scales are padded to a multiple of 32 numbers. Their scales lie behind the rows
 * of the page, {@code pageSize * rowStrideBytes} from its start, those of a row one after the
 * other.
 *
 * @param latent numbers of the latent, 1 to 4096
 * @param rope numbers of the rotated key, even, 0 to 1024
 * @param type type of the numbers
 */
public record LatentLayout(int latent, int rope, CacheType type) {
  private static final int PADDING = 16;

  /** Codes under scales that kernels read together. */
  private static final int CODES = 32;

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
    return (int) roundUp(latent, Math.max(multiple(), type.format().blockElements()));
  }

  /** The byte of a row at which the rotated key starts. */
  public long ropeOffsetBytes() {
    return type.format().bytes(ropeOffset());
  }

  /** Bytes from one row to the next, without scales. */
  public long rowStrideBytes() {
    return roundUp(ropeOffsetBytes() + type.ropeFormat().bytes(roundUp(rope, PADDING)), 64);
  }

  /** Elements of a row with all of its padding. */
  public int rowElements() {
    long key = rowStrideBytes() - ropeOffsetBytes();
    return ropeOffset() + (int) (key / type.ropeFormat().blockBytes());
  }

  /** Scales of a row. */
  public int scales() {
    return type.hasScales() ? Math.ceilDiv(latent, type.scaleColumns()) : 0;
  }

  /** Bytes of the scales of a row. */
  public long scaleBytes() {
    return type.hasScales() ? type.scaleFormat().bytes(scales()) : 0;
  }

  /** Bytes of a token: its row and its scales. */
  public long tokenBytes() {
    return rowStrideBytes() + scaleBytes();
  }

  /** Bytes of a page: its rows, the scales of its rows, and what fills the last 64 bytes. */
  public long pageBytes(int pageSize) {
    return roundUp(tokenBytes() * pageSize, 64);
  }

  private int multiple() {
    return type.hasScales() ? CODES : PADDING;
  }

  private static long roundUp(long n, int multiple) {
    return (n + multiple - 1) / multiple * multiple;
  }
}

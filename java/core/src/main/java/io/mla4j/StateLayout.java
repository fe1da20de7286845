package io.mla4j;

/**
 * What one layer of a recurrence remembers of a sequence, in float32: for each head a matrix, of
 * which row i belongs to channel i of the keys, and behind it the last inputs of the convolutions
 * of queries, keys and values, (3, {@link #TAPS} - 1, width), the oldest first. Heads start at
 * multiples of 64 bytes.
 *
 * @param heads 1 to 65536
 * @param width channels of a head's keys and values, 1 to 256
 */
public record StateLayout(int heads, int width) {
  /** Inputs that an output of the convolutions is made of, its own included. */
  public static final int TAPS = 4;

  private static final int LINE = 16;

  /**
   * Checks the ranges above.
   *
   * @throws InvalidArgumentException naming the component that is out of its range
   */
  public StateLayout {
    if (heads < 1 || heads > 1 << 16) {
      throw new InvalidArgumentException("heads is " + heads + ", but must be in 1..65536");
    }
    if (width < 1 || width > 256) {
      throw new InvalidArgumentException("width is " + width + ", but must be in 1..256");
    }
  }

  /** Elements of a head's matrix: its past inputs lie behind them. */
  public int matrixElements() {
    return width * width;
  }

  /** Elements from one head to the next. */
  public int headStride() {
    return (matrixElements() + 3 * (TAPS - 1) * width + LINE - 1) / LINE * LINE;
  }

  /** Elements of all heads. */
  public long elements() {
    return (long) heads * headStride();
  }

  /** Bytes of all heads. */
  public long bytes() {
    return elements() * Float.BYTES;
  }
}

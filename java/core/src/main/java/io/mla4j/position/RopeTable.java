package io.mla4j.position;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import io.mla4j.InvalidArgumentException;
import java.lang.foreign.MemorySegment;

/**
 * Cosines and sines of a rotary encoding.
 *
 * <p>{@code cos[t, i] = a cos(t inv[i])} and {@code sin[t, i] = a sin(t inv[i])}, a being the
 * attention factor. The angle is a float32 product and its cosine is rounded to float32, as in
 * Hugging Face transformers.
 *
 * <p>Thread-safe. Allocates only where the frequencies depend on the length and the length changed.
 */
public final class RopeTable {
  private final RopeEncoding encoding;
  private final float attentionFactor;

  private volatile Frequency current;

  /** The frequencies for one length. */
  private record Frequency(int totalLength, float[] inverse) {}

  /** The table of {@code encoding}. */
  public RopeTable(RopeEncoding encoding) {
    this.encoding = encoding;
    this.attentionFactor = (float) encoding.scaling().attentionFactor();
    this.current = compute(1);
  }

  /** What the table was made of. */
  public RopeEncoding encoding() {
    return encoding;
  }

  /**
   * Writes the rows of the positions {@code position .. position + count - 1}.
   *
   * @param position first position, 0 or more
   * @param count rows to write
   * @param totalLength tokens of the sequence including the new ones; scalings that depend on the
   *     length use it
   * @param cosines (count, width / 2) F32, contiguous
   * @param sines (count, width / 2) F32, contiguous
   * @throws InvalidArgumentException where an argument is negative, the positions overflow, or a
   *     segment is too small
   */
  public void fill(
      int position, int count, int totalLength, MemorySegment cosines, MemorySegment sines) {
    if (position < 0 || count < 0 || (long) position + count > Integer.MAX_VALUE) {
      throw new InvalidArgumentException(
          "positions "
              + position
              + " to "
              + ((long) position + count)
              + " must be in 0.."
              + Integer.MAX_VALUE);
    }
    if (totalLength < position + count) {
      throw new InvalidArgumentException(
          "totalLength is " + totalLength + ", but the last position is " + (position + count - 1));
    }
    int half = encoding.width() / 2;
    long bytes = (long) count * half * Float.BYTES;
    requireBytes("cosines", cosines, bytes);
    requireBytes("sines", sines, bytes);
    float[] inverse = inverseFor(totalLength);
    for (int row = 0; row < count; row++) {
      float t = position + row;
      long base = (long) row * half;
      for (int i = 0; i < half; i++) {
        float angle = t * inverse[i];
        cosines.set(
            JAVA_FLOAT_UNALIGNED,
            (base + i) * Float.BYTES,
            (float) Math.cos(angle) * attentionFactor);
        sines.set(
            JAVA_FLOAT_UNALIGNED,
            (base + i) * Float.BYTES,
            (float) Math.sin(angle) * attentionFactor);
      }
    }
  }

  private static void requireBytes(String name, MemorySegment segment, long bytes) {
    if (segment.byteSize() < bytes) {
      throw new InvalidArgumentException(
          name + " has " + segment.byteSize() + " bytes, but " + bytes + " are needed");
    }
  }

  private float[] inverseFor(int totalLength) {
    Frequency frequency = current;
    if (encoding.scaling().dependsOnLength() && frequency.totalLength != totalLength) {
      frequency = compute(totalLength);
      current = frequency;
    }
    return frequency.inverse;
  }

  private Frequency compute(int totalLength) {
    return new Frequency(
        totalLength,
        encoding.scaling().inverseFrequencies(encoding.width(), encoding.theta(), totalLength));
  }
}

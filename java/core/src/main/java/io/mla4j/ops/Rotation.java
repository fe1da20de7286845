package io.mla4j.ops;

import java.lang.foreign.MemorySegment;

/**
 * The rotations of the tokens of one step, in the order of the plan.
 *
 * @param cosines (n, rope / 2) F32, the attention factor multiplied in
 * @param sines (n, rope / 2) F32, the attention factor multiplied in
 * @param layout which elements form a pair
 */
public record Rotation(Tensor cosines, Tensor sines, RopeLayout layout) {
  /** A rotation of {@code tokens} tokens that turns nothing: its width is 0. */
  public static Rotation none(long tokens) {
    Tensor angles = Tensor.of(MemorySegment.NULL, StorageFormat.F32, tokens, 0);
    return new Rotation(angles, angles, RopeLayout.PAIRS);
  }

  /** The elements that are turned: rope. */
  public int width() {
    return (int) (2 * cosines.dim(1));
  }

  /** Token t: {@code angles} (rope) becomes its cosines, then its sines. */
  public void read(long t, float[] angles) {
    int pairs = width() / 2;
    Floats.read(cosines.segment(), t * cosines.stride(0), angles, 0, pairs);
    Floats.read(sines.segment(), t * sines.stride(0), angles, pairs, pairs);
  }

  /** Writes {@code in[from .. from + rope)}, turned by {@code angles}, to {@code out[to ..]}. */
  public void turn(float[] angles, float[] in, int from, float[] out, int to) {
    int pairs = width() / 2;
    int step = layout == RopeLayout.PAIRS ? 2 : 1;
    int partner = layout == RopeLayout.PAIRS ? 1 : pairs;
    for (int i = 0; i < pairs; i++) {
      float a = in[from + i * step];
      float b = in[from + i * step + partner];
      out[to + i * step] = a * angles[i] - b * angles[pairs + i];
      out[to + i * step + partner] = b * angles[i] + a * angles[pairs + i];
    }
  }
}

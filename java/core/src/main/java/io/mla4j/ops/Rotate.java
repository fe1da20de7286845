package io.mla4j.ops;

import io.mla4j.InvalidArgumentException;

/**
 * Rotary position encoding: the last {@code rope} elements of every head are turned, the others
 * copied. Pair i becomes {@code (a cos_i - b sin_i, b cos_i + a sin_i)}.
 *
 * @param q (n, heads, nope + rope) F32
 * @param rotation of the n tokens; its width is rope
 * @param out (n, heads, nope + rope) F32; may be q
 */
public record Rotate(Tensor q, Rotation rotation, Tensor out) implements RowOperation {
  /** Checks types and shapes. */
  public Rotate {
    Checks.requireFloats("q", q, 3);
    Checks.requireOutput("out", out, StorageFormat.F32, q.dim(0), q.dim(1), q.dim(2));
    int rope = Checks.requireRotation(rotation, q.dim(0));
    if (rope > q.dim(2)) {
      throw new InvalidArgumentException(
          "rotation turns " + rope + " elements, but q has only " + q.dim(2));
    }
  }

  @Override
  public int rows() {
    return (int) q.dim(0);
  }

  @Override
  public long rowElements() {
    return q.dim(1) * q.dim(2);
  }

  @Override
  public void compute(int begin, int end) {
    int width = (int) q.dim(2);
    int rope = rotation.width();
    int plain = width - rope;
    Scratch scratch = Scratch.ofThread();
    float[] in = scratch.floats(0, width);
    float[] row = scratch.floats(1, width);
    float[] angles = scratch.floats(2, rope);
    for (int t = begin; t < end; t++) {
      rotation.read(t, angles);
      for (int h = 0; h < q.dim(1); h++) {
        Floats.read(q.segment(), t * q.stride(0) + h * q.stride(1), in, 0, width);
        System.arraycopy(in, 0, row, 0, plain);
        rotation.turn(angles, in, plain, row, plain);
        Floats.write(row, 0, out.segment(), t * out.stride(0) + h * out.stride(1), width);
      }
    }
  }
}

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
public record Rotate(Tensor q, Rotation rotation, Tensor out) implements Operation {
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
}

package io.mla4j.ops;

import io.mla4j.ComputeType;
import io.mla4j.MlaShape;

/**
 * W_UK into the query (DeepSeek-V2, section 2.1.2): {@code out[t, h] = [W_UK[h]^T q_nope[t, h] |
 * q_rope[t, h]]}.
 *
 * @param q (n, heads, nope + rope) F32, rotated
 * @param up W_UK and W_UV, of which W_UK is used
 * @param out (n, heads, latent + rope) F32
 */
public record Absorb(Tensor q, LatentUp up, ComputeType compute, Tensor out) implements Operation {
  /** Checks types and shapes. */
  public Absorb {
    Checks.requireFloats("q", q, 3);
    Checks.requireFloats("out", out, 3);
    Checks.requireNonNull("up", up);
    Checks.requireNonNull("compute", compute);
    Checks.requireOutput("out", out, StorageFormat.F32, q.dim(0), q.dim(1), out.dim(2));
    up.requireFits(shape(q, up, out));
  }

  /** The sizes that the operands give. */
  public MlaShape shape() {
    return shape(q, up, out);
  }

  private static MlaShape shape(Tensor q, LatentUp up, Tensor out) {
    int heads = Checks.positiveInt("heads", q.dim(1));
    int latent = up.latent();
    int rope = Checks.toInt("rope", out.dim(2) - latent);
    int nope = Checks.toInt("nope", q.dim(2) - rope);
    return new MlaShape(heads, latent, rope, nope, up.value(heads, nope));
  }
}

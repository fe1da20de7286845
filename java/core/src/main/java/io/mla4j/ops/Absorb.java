package io.mla4j.ops;

import io.mla4j.ComputeType;
import io.mla4j.MlaShape;

/**
 * W_UK into the query (DeepSeek-V2, section 2.1.2): {@code out[t, h] = [W_UK[h]^T q_nope[t, h] |
 * q_rope[t, h]]}.
 *
 * @param q (n, heads, nope + rope) F32, rotated
 * @param kvB (heads * (nope + value), latent): for each head the nope rows of W_UK, then the value
 *     rows of W_UV
 * @param out (n, heads, latent + rope) F32
 */
public record Absorb(Tensor q, Weight kvB, ComputeType compute, Tensor out) implements Operation {
  /** Checks types and shapes. */
  public Absorb {
    Checks.requireFloats("q", q, 3);
    Checks.requireFloats("out", out, 3);
    Checks.requireMatrix("kvB", kvB);
    Checks.requireNonNull("compute", compute);
    Checks.requireOutput("out", out, StorageFormat.F32, q.dim(0), q.dim(1), out.dim(2));
    MlaShape shape = shape(q, kvB, out);
    Checks.require(
        "kvB", kvB, (long) shape.heads() * (shape.nope() + shape.value()), shape.latent());
  }

  /** The sizes that the operands give. */
  public MlaShape shape() {
    return shape(q, kvB, out);
  }

  private static MlaShape shape(Tensor q, Weight kvB, Tensor out) {
    int heads = Checks.positiveInt("heads", q.dim(1));
    int latent = Checks.toInt("latent", kvB.tensor().dim(1));
    int rope = Checks.toInt("rope", out.dim(2) - latent);
    int nope = Checks.toInt("nope", q.dim(2) - rope);
    int value = Checks.toInt("value", kvB.tensor().dim(0) / heads - nope);
    return new MlaShape(heads, latent, rope, nope, value);
  }
}

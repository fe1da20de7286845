package io.mla4j.ops;

import io.mla4j.ComputeType;
import io.mla4j.MlaShape;

/**
 * W_UV onto the result of absorbed attention (DeepSeek-V2, section 2.1.2): {@code out[t, h] =
 * W_UV[h] x[t, h]}.
 *
 * @param x (n, heads, latent) F32
 * @param up W_UK and W_UV, of which W_UV is used
 * @param out (n, heads, value) F32
 */
public record Expand(Tensor x, LatentUp up, ComputeType compute, Tensor out) implements Operation {
  /** Checks types and shapes. */
  public Expand {
    Checks.requireFloats("x", x, 3);
    Checks.requireFloats("out", out, 3);
    Checks.requireNonNull("up", up);
    Checks.requireNonNull("compute", compute);
    Checks.requireOutput("out", out, StorageFormat.F32, x.dim(0), x.dim(1), out.dim(2));
    up.requireFits(shape(x, up, out));
  }

  /** The sizes that the operands give; a rope of 0. */
  public MlaShape shape() {
    return shape(x, up, out);
  }

  private static MlaShape shape(Tensor x, LatentUp up, Tensor out) {
    int heads = Checks.positiveInt("heads", x.dim(1));
    int latent = Checks.toInt("latent", x.dim(2));
    int value = Checks.toInt("value", out.dim(2));
    return new MlaShape(heads, latent, 0, up.nope(heads, value), value);
  }
}

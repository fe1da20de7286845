package io.mla4j.ops;

/**
 * {@code out = x + scale * residual}.
 *
 * @param x (n, width) F32
 * @param residual (n, width) F32
 * @param out (n, width) F32; may be either
 */
public record Add(Tensor x, Tensor residual, float scale, Tensor out) implements Operation {
  /** Checks types and shapes. */
  public Add {
    Checks.requireFloats("x", x, 2);
    Checks.require("residual", residual, StorageFormat.F32, x.dim(0), x.dim(1));
    Checks.requireOutput("out", out, StorageFormat.F32, x.dim(0), x.dim(1));
  }
}

package io.mla4j.ops;

/**
 * {@code out = weight * x / sqrt(mean(x^2) + eps)} for every row.
 *
 * @param x (n, width) F32
 * @param weight (width) F32
 * @param out (n, width) F32; may be x
 */
public record RmsNorm(Tensor x, Tensor weight, float eps, Tensor out) implements Operation {
  /** Checks types and shapes. */
  public RmsNorm {
    Checks.requireFloats("x", x, 2);
    Checks.requireOutput("out", out, StorageFormat.F32, x.dim(0), x.dim(1));
    Checks.require("weight", weight, StorageFormat.F32, x.dim(1));
  }
}

package io.mla4j.ops;

/**
 * {@code out = weight * x / sqrt(mean(x^2) + eps)} for every row.
 *
 * @param x (n, width) F32
 * @param weight (width) F32
 * @param out (n, width) F32; may be x
 */
public record RmsNorm(Tensor x, Tensor weight, float eps, Tensor out) implements RowOperation {
  /** Checks types and shapes. */
  public RmsNorm {
    Checks.requireFloats("x", x, 2);
    Checks.requireOutput("out", out, StorageFormat.F32, x.dim(0), x.dim(1));
    Checks.require("weight", weight, StorageFormat.F32, x.dim(1));
  }

  @Override
  public int rows() {
    return (int) x.dim(0);
  }

  @Override
  public long rowElements() {
    return x.dim(1);
  }

  @Override
  public void compute(int begin, int end) {
    int width = (int) x.dim(1);
    Scratch scratch = Scratch.ofThread();
    float[] row = scratch.floats(0, width);
    float[] w = scratch.floats(1, width);
    Floats.read(weight.segment(), 0, w, 0, width);
    for (int i = begin; i < end; i++) {
      Floats.read(x.segment(), i * x.stride(0), row, 0, width);
      Floats.normalize(row, w, eps, width, row);
      Floats.write(row, 0, out.segment(), i * out.stride(0), width);
    }
  }
}

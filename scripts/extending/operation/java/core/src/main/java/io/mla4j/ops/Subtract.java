package io.mla4j.ops;

/**
 * {@code out = x - scale * residual}.
 *
 * @param x (n, width) F32
 * @param residual (n, width) F32
 * @param out (n, width) F32; may be either
 */
public record Subtract(Tensor x, Tensor residual, float scale, Tensor out) implements RowOperation {
  /** Checks types and shapes. */
  public Subtract {
    Checks.requireFloats("x", x, 2);
    Checks.require("residual", residual, StorageFormat.F32, x.dim(0), x.dim(1));
    Checks.requireOutput("out", out, StorageFormat.F32, x.dim(0), x.dim(1));
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
    float[] sum = scratch.floats(0, width);
    float[] r = scratch.floats(1, width);
    for (int i = begin; i < end; i++) {
      Floats.read(x.segment(), i * x.stride(0), sum, 0, width);
      Floats.read(residual.segment(), i * residual.stride(0), r, 0, width);
      Floats.axpy(-scale, r, 0, sum, 0, width);
      Floats.write(sum, 0, out.segment(), i * out.stride(0), width);
    }
  }
}

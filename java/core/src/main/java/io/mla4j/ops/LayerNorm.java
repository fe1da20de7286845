package io.mla4j.ops;

/**
 * {@code out = weight * (x - mean(x)) / sqrt(variance(x) + eps) + bias} for every row, the variance
 * being the mean of {@code (x - mean(x))^2}.
 *
 * @param x (n, width) F32
 * @param weight (width) F32
 * @param bias (width) F32
 * @param out (n, width) F32; may be x
 */
public record LayerNorm(Tensor x, Tensor weight, Tensor bias, float eps, Tensor out)
    implements RowOperation {
  /** Checks types and shapes. */
  public LayerNorm {
    Checks.requireFloats("x", x, 2);
    Checks.requireNonEmpty("x", x, 1);
    Checks.requireOutput("out", out, StorageFormat.F32, x.dim(0), x.dim(1));
    Checks.require("weight", weight, StorageFormat.F32, x.dim(1));
    Checks.require("bias", bias, StorageFormat.F32, x.dim(1));
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
    float[] b = scratch.floats(2, width);
    Floats.read(weight.segment(), 0, w, 0, width);
    Floats.read(bias.segment(), 0, b, 0, width);
    for (int i = begin; i < end; i++) {
      Floats.read(x.segment(), i * x.stride(0), row, 0, width);
      float mean = Floats.sum(row, width) / width;
      for (int j = 0; j < width; j++) {
        row[j] -= mean;
      }
      float variance = Floats.dot(row, 0, row, 0, width) / width;
      float factor = (float) (1 / Math.sqrt(variance + eps));
      for (int j = 0; j < width; j++) {
        row[j] = w[j] * (row[j] * factor) + b[j];
      }
      Floats.write(row, 0, out.segment(), i * out.stride(0), width);
    }
  }
}

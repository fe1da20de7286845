package io.mla4j.ops;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Partial attention results of the same rows over disjoint keys, merged in the order of the parts:
 * {@code m = max lse_i}, {@code out = sum_i exp(lse_i - m) out_i / sum_i exp(lse_i - m)}, {@code
 * lse = m + log sum_i exp(lse_i - m)}. Where all parts are empty out is 0 and lse -infinity.
 *
 * @param partialOut (parts, n, heads, width) F32
 * @param partialLse (parts, n, heads) F32
 * @param out (n, heads, width) F32
 * @param lse (n, heads) F32, or null
 */
public record Merge(Tensor partialOut, Tensor partialLse, Tensor out, @Nullable Tensor lse)
    implements RowOperation {
  /** Checks types and shapes. */
  public Merge {
    Checks.requireFloats("partialOut", partialOut, 4);
    long n = partialOut.dim(1);
    long heads = partialOut.dim(2);
    Checks.require("partialLse", partialLse, StorageFormat.F32, partialOut.dim(0), n, heads);
    Checks.requireOutput("out", out, StorageFormat.F32, n, heads, partialOut.dim(3));
    if (lse != null) {
      Checks.requireOutput("lse", lse, StorageFormat.F32, n, heads);
    }
  }

  /** Parts. */
  public int parts() {
    return (int) partialOut.dim(0);
  }

  /** Heads of a token. */
  public int heads() {
    return (int) partialOut.dim(2);
  }

  /** One row for each head of each token: row {@code t * heads + h}. */
  @Override
  public int rows() {
    return (int) (partialOut.dim(1) * partialOut.dim(2));
  }

  @Override
  public long rowElements() {
    return partialOut.dim(0) * partialOut.dim(3);
  }

  @Override
  public void compute(int begin, int end) {
    int parts = parts();
    int width = (int) partialOut.dim(3);
    Scratch scratch = Scratch.ofThread();
    float[] part = scratch.floats(0, width);
    float[] sum = scratch.floats(1, width);
    float[] weights = scratch.floats(2, parts);
    for (int row = begin; row < end; row++) {
      long t = row / heads();
      long h = row % heads();
      float max = Float.NEGATIVE_INFINITY;
      for (int i = 0; i < parts; i++) {
        weights[i] = Floats.get(partialLse.segment(), at(partialLse, i, t, h));
        max = Math.max(max, weights[i]);
      }
      Arrays.fill(sum, 0, width, 0);
      float total = 0;
      if (max != Float.NEGATIVE_INFINITY) {
        for (int i = 0; i < parts; i++) {
          weights[i] = Floats.exp(weights[i] - max);
          total += weights[i];
        }
        for (int i = 0; i < parts; i++) {
          float factor = weights[i] / total;
          if (factor != 0) {
            Floats.read(partialOut.segment(), at(partialOut, i, t, h), part, 0, width);
            Floats.axpy(factor, part, 0, sum, 0, width);
          }
        }
      }
      Floats.write(sum, 0, out.segment(), t * out.stride(0) + h * out.stride(1), width);
      if (lse != null) {
        float value = max + (float) Math.log(total);
        Floats.set(lse.segment(), t * lse.stride(0) + h * lse.stride(1), value);
      }
    }
  }

  private static long at(Tensor partial, long i, long t, long h) {
    return i * partial.stride(0) + t * partial.stride(1) + h * partial.stride(2);
  }
}

package io.mla4j.ops;

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
public record Merge(Tensor partialOut, Tensor partialLse, Tensor out, Tensor lse)
    implements Operation {
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
}

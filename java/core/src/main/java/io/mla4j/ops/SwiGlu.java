package io.mla4j.ops;

/**
 * {@code out = silu(gate) * up}, {@code silu(g) = g / (1 + exp(-g))}; with a limit {@code L}:
 * {@code out = min(silu(gate), L) * clamp(up, -L, L)} (Ling-3.0-Flash).
 *
 * @param gate (n, width) F32
 * @param up (n, width) F32
 * @param limit above 0; infinite: none
 * @param out (n, width) F32; may be either
 */
public record SwiGlu(Tensor gate, Tensor up, float limit, Tensor out) implements RowOperation {
  /** Checks types and shapes. */
  public SwiGlu {
    Checks.requireFloats("gate", gate, 2);
    Checks.require("up", up, StorageFormat.F32, gate.dim(0), gate.dim(1));
    requireLimit("limit", limit);
    Checks.requireOutput("out", out, StorageFormat.F32, gate.dim(0), gate.dim(1));
  }

  /** Without a limit. */
  public SwiGlu(Tensor gate, Tensor up, Tensor out) {
    this(gate, up, Float.POSITIVE_INFINITY, out);
  }

  static void requireLimit(String name, float limit) {
    // NaN is not above 0 either.
    Checks.require(limit > 0, name + " is " + limit + ", but must be above 0");
  }

  @Override
  public int rows() {
    return (int) gate.dim(0);
  }

  @Override
  public long rowElements() {
    return 2 * gate.dim(1);
  }

  @Override
  public void compute(int begin, int end) {
    int width = (int) gate.dim(1);
    Scratch scratch = Scratch.ofThread();
    float[] g = scratch.floats(0, width);
    float[] u = scratch.floats(1, width);
    for (int i = begin; i < end; i++) {
      Floats.read(gate.segment(), i * gate.stride(0), g, 0, width);
      Floats.read(up.segment(), i * up.stride(0), u, 0, width);
      for (int j = 0; j < width; j++) {
        float silu = g[j] / (1 + Floats.exp(-g[j]));
        g[j] = Math.min(silu, limit) * Math.clamp(u[j], -limit, limit);
      }
      Floats.write(g, 0, out.segment(), i * out.stride(0), width);
    }
  }
}

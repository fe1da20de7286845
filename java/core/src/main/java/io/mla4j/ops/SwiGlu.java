package io.mla4j.ops;

/**
 * {@code out = gate / (1 + exp(-gate)) * up}.
 *
 * @param gate (n, width) F32
 * @param up (n, width) F32
 * @param out (n, width) F32; may be either
 */
public record SwiGlu(Tensor gate, Tensor up, Tensor out) implements RowOperation {
  /** Checks types and shapes. */
  public SwiGlu {
    Checks.requireFloats("gate", gate, 2);
    Checks.require("up", up, StorageFormat.F32, gate.dim(0), gate.dim(1));
    Checks.requireOutput("out", out, StorageFormat.F32, gate.dim(0), gate.dim(1));
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
        g[j] = g[j] / (1 + Floats.exp(-g[j])) * u[j];
      }
      Floats.write(g, 0, out.segment(), i * out.stride(0), width);
    }
  }
}

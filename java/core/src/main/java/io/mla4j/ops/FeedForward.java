package io.mla4j.ops;

import io.mla4j.ComputeType;
import io.mla4j.InvalidArgumentException;

/**
 * A SwiGLU network: {@code out = down(silu(gate x) * up x)}; without a gate {@code out =
 * down(relu(up x)^2)}.
 *
 * @param x (n, in) F32
 * @param out (n, width) F32
 */
public record FeedForward(Tensor x, Weights weights, ComputeType compute, Tensor out)
    implements Operation {
  /**
   * The matrices of a network.
   *
   * @param gate (inner, in), or null; experts must have it
   * @param up (inner, in)
   * @param down (width, inner)
   */
  public record Weights(Weight gate, Weight up, Weight down) {}

  /** Checks types and shapes. */
  public FeedForward {
    requireRows(x, out);
    Checks.requireNonNull("compute", compute);
    Checks.requireNonNull("weights", weights);
    // Without a gate up is looked at twice.
    requireNetwork(
        "weights",
        weights.gate() == null ? new Weights(weights.up(), weights.up(), weights.down()) : weights,
        x,
        out);
  }

  static void requireRows(Tensor x, Tensor out) {
    Checks.requireFloats("x", x, 2);
    Checks.requireFloats("out", out, 2);
    Checks.requireOutput("out", out, StorageFormat.F32, x.dim(0), out.dim(1));
  }

  static void requireNetwork(String name, Weights weights, Tensor x, Tensor out) {
    try {
      Checks.require(weights != null, " is null");
      Checks.requireMatrix(".gate", weights.gate());
      long inner = weights.gate().tensor().dim(0);
      Checks.require(".gate", weights.gate(), inner, x.dim(1));
      Checks.require(".up", weights.up(), inner, x.dim(1));
      Checks.require(".down", weights.down(), out.dim(1), inner);
    } catch (InvalidArgumentException e) {
      throw new InvalidArgumentException(name + e.getMessage());
    }
  }
}

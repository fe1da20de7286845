package io.mla4j.ops;

import io.mla4j.ComputeType;
import io.mla4j.InvalidArgumentException;
import org.jspecify.annotations.Nullable;

/**
 * A SwiGLU network: {@code out = down(silu(gate x) * up x)}; without a gate {@code out =
 * down(relu(up x)^2)}. With a limit as {@link SwiGlu} has it.
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
   * @param limit of the activation, above 0; infinite: none, as it must be without a gate
   */
  public record Weights(@Nullable Weight gate, Weight up, Weight down, float limit) {
    /** Without a limit. */
    public Weights(@Nullable Weight gate, Weight up, Weight down) {
      this(gate, up, down, Float.POSITIVE_INFINITY);
    }

    /**
     * The gate of a network that must have one, as experts must.
     *
     * @throws InvalidArgumentException where there is none
     */
    public Weight requiredGate() {
      if (gate == null) {
        throw new InvalidArgumentException("gate is null");
      }
      return gate;
    }

    /** Whether the activation has a limit. */
    public boolean isLimited() {
      return limit != Float.POSITIVE_INFINITY;
    }
  }

  /** Checks types and shapes. */
  public FeedForward {
    requireRows(x, out);
    Checks.requireNonNull("compute", compute);
    Checks.requireNonNull("weights", weights);
    if (weights.gate() == null) {
      requireUngated(weights, x, out);
    } else {
      requireNetwork("weights", weights, x, out);
    }
  }

  private static void requireUngated(Weights weights, Tensor x, Tensor out) {
    Checks.require(
        !weights.isLimited(), "weights.limit is " + weights.limit() + ", but there is no gate");
    Checks.requireMatrix("weights.up", weights.up());
    long inner = weights.up().tensor().dim(0);
    Checks.require("weights.up", weights.up(), inner, x.dim(1));
    Checks.require("weights.down", weights.down(), out.dim(1), inner);
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
      Weight gate = weights.requiredGate();
      long inner = gate.tensor().dim(0);
      Checks.require(".gate", gate, inner, x.dim(1));
      Checks.require(".up", weights.up(), inner, x.dim(1));
      SwiGlu.requireLimit(".limit", weights.limit());
      Checks.require(".down", weights.down(), out.dim(1), inner);
    } catch (InvalidArgumentException e) {
      throw new InvalidArgumentException(name + e.getMessage());
    }
  }
}

package io.mla4j.ops;

import io.mla4j.ComputeType;
import io.mla4j.InvalidArgumentException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Linear layers with the same input, one operation: {@code out = x W^T + bias} for each projection.
 *
 * @param x (n, in) F32
 * @param projections one or more
 */
public record Linear(Tensor x, List<Projection> projections, ComputeType compute)
    implements Operation {
  /**
   * One of the layers.
   *
   * @param weight (out, in)
   * @param bias (out) F32, or null
   * @param out (n, out) F32
   */
  public record Projection(Weight weight, @Nullable Tensor bias, Tensor out) {}

  /** Checks types and shapes. */
  public Linear {
    Checks.requireFloats("x", x, 2);
    Checks.requireNonNull("compute", compute);
    Checks.require(projections != null && !projections.isEmpty(), "projections is empty");
    projections = List.copyOf(projections);
    for (int i = 0; i < projections.size(); i++) {
      try {
        check(x, projections.get(i));
      } catch (InvalidArgumentException e) {
        throw new InvalidArgumentException("projections[" + i + "]." + e.getMessage());
      }
    }
  }

  /** One layer without a bias: x (n, in), weight (out, in), out (n, out). */
  public static Linear of(Tensor x, Weight weight, ComputeType compute, Tensor out) {
    return new Linear(x, List.of(new Projection(weight, null, out)), compute);
  }

  private static void check(Tensor x, Projection p) {
    Checks.requireFloats("out", p.out(), 2);
    Checks.requireOutput("out", p.out(), StorageFormat.F32, x.dim(0), p.out().dim(1));
    Checks.require("weight", p.weight(), p.out().dim(1), x.dim(1));
    if (p.bias() != null) {
      Checks.require("bias", p.bias(), StorageFormat.F32, p.out().dim(1));
    }
  }
}

package io.mla4j.ops;

import io.mla4j.DecodePlan;
import io.mla4j.InvalidArgumentException;
import io.mla4j.StateLayout;

/**
 * Kimi Delta Attention (Kimi Linear, section 3): the new tokens of every sequence through its
 * state, a matrix S for each head. For each of its tokens in turn, with all channels of a head,
 *
 * <pre>
 * q, k, v = silu(convolve(queries)), silu(convolve(keys)), silu(convolve(values))
 * q, k = q / (|q| sqrt(width)), k / |k|          |x| = sqrt(sum(x^2) + 1e-6)
 * S = diag(decay) S                              a number in (0, 1) for each channel of the keys
 * S = S + k (sigmoid(betas) (v - S^T k))^T
 * out = norm(S^T q) * sigmoid(gates)             norm as {@link RmsNorm} over a head's channels
 * </pre>
 *
 * <p>where {@code convolve(x)[c] = sum_j taps[j, c] x_(t - 3 + j)[c]} and inputs before the first
 * token are zeros.
 *
 * @param layer of those of the cache that have a state
 * @param out (n, heads * width) F32
 */
public record AttendDelta(int layer, Inputs inputs, Weights weights, Decay decay, Tensor out)
    implements StepOperation {
  /**
   * What the tokens bring.
   *
   * @param queries (n, heads * width) F32
   * @param keys (n, heads * width) F32
   * @param values (n, heads * width) F32
   * @param decays (n, heads * width) F32
   * @param betas (n, heads) F32
   * @param gates (n, heads * width) F32
   */
  public record Inputs(
      Tensor queries, Tensor keys, Tensor values, Tensor decays, Tensor betas, Tensor gates) {}

  /**
   * What the layer has.
   *
   * @param taps (3 * 4, heads * width) F32: the convolutions of queries, keys and values, of each
   *     the factors of the inputs from the oldest on
   * @param rates (heads) F32: how fast a head forgets, the exponentials of {@code A_log}
   * @param decayBias (heads * width) F32
   * @param norm (width) F32
   * @param eps of the norm
   */
  public record Weights(Tensor taps, Tensor rates, Tensor decayBias, Tensor norm, float eps) {}

  /** How the decay of a channel follows from {@code z = decays + decayBias} and the head's rate. */
  public sealed interface Decay {
    /** {@code exp(-rate softplus(z))}: Kimi Linear. */
    record Softplus() implements Decay {}

    /**
     * {@code exp(bound sigmoid(rate z))}: nothing decays by more than {@code exp(bound)} a token.
     *
     * @param bound finite, at most 0
     */
    record Bounded(float bound) implements Decay {
      /** Checks the range above. */
      public Bounded {
        Checks.require(
            bound <= 0 && Float.isFinite(bound),
            "bound is " + bound + ", but must be finite and at most 0");
      }
    }
  }

  /** Checks types and shapes. */
  public AttendDelta {
    Checks.requireLayer(layer);
    Checks.requireNonNull("inputs", inputs);
    Checks.requireNonNull("weights", weights);
    Checks.requireNonNull("decay", decay);
    Checks.requireFloats("out", out, 2);
    Checks.requireFloats("betas", inputs.betas, 2);
    Checks.requireFloats("norm", weights.norm, 1);
    long n = out.dim(0);
    int heads = Checks.positiveInt("heads", inputs.betas.dim(1));
    int width = Checks.positiveInt("width", weights.norm.dim(0));
    new StateLayout(heads, width);
    long all = (long) heads * width;
    Checks.requireOutput("out", out, StorageFormat.F32, n, all);
    Checks.require("queries", inputs.queries, StorageFormat.F32, n, all);
    Checks.require("keys", inputs.keys, StorageFormat.F32, n, all);
    Checks.require("values", inputs.values, StorageFormat.F32, n, all);
    Checks.require("decays", inputs.decays, StorageFormat.F32, n, all);
    Checks.require("betas", inputs.betas, StorageFormat.F32, n, heads);
    Checks.require("gates", inputs.gates, StorageFormat.F32, n, all);
    Checks.require("taps", weights.taps, StorageFormat.F32, 3 * StateLayout.TAPS, all);
    Checks.requireDense("taps", weights.taps);
    Checks.require("rates", weights.rates, StorageFormat.F32, heads);
    Checks.require("decayBias", weights.decayBias, StorageFormat.F32, all);
    Checks.require("norm", weights.norm, StorageFormat.F32, width);
    Checks.require(
        weights.eps >= 0 && Float.isFinite(weights.eps),
        "eps is " + weights.eps + ", but must be finite and at least 0");
  }

  /** What a sequence must have in the layer. */
  public StateLayout state() {
    return new StateLayout((int) inputs.betas.dim(1), (int) weights.norm.dim(0));
  }

  @Override
  public void requireFits(DecodePlan plan) {
    Checks.requireNonNull("plan", plan);
    if (layer >= plan.stateLayers()) {
      throw new InvalidArgumentException(
          "layer is "
              + layer
              + ", but the cache has states of "
              + plan.stateLayers()
              + " layers, counted from 0");
    }
    Checks.requireTokens("out", out, plan);
    StateLayout layout = plan.stateLayout();
    if (layout.heads() != inputs.betas.dim(1) || layout.width() != weights.norm.dim(0)) {
      throw new InvalidArgumentException(
          "inputs have "
              + inputs.betas.dim(1)
              + " heads of "
              + weights.norm.dim(0)
              + " channels, but the cache has states of "
              + layout);
    }
  }
}

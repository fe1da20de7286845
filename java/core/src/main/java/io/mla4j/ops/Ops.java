package io.mla4j.ops;

import io.mla4j.ComputeType;
import io.mla4j.DecodePlan;
import java.util.List;

/**
 * The operations of a decoder step, on F32 activations that stay where the device keeps them. n is
 * the number of tokens of the step, all sequences one after the other as in the plan.
 *
 * <p>Every operation checks its shapes and throws {@link io.mla4j.InvalidArgumentException} naming
 * the argument before it changes anything. Thread-safe; one operation runs at a time. Weights may
 * be of any stored type (F32, BF16, F16). The bits of a row depend on its own sequence only, never
 * on the batch or on the number of threads.
 */
public interface Ops {
  /** out[i] = scale * table[ids[i]]: table (vocabulary, width), ids (n) I32, out (n, width). */
  void embed(Weight table, Tensor ids, float scale, Tensor out);

  /**
   * out = weight * x / sqrt(mean(x^2) + eps): x, out (n, width), weight (width) F32; out may be x.
   */
  void rmsNorm(Tensor x, Tensor weight, float eps, Tensor out);

  /**
   * For each projection out = x W^T + bias: x (n, in). Several weights that share an input are one
   * operation.
   */
  void linear(Tensor x, List<Projection> projections, ComputeType compute);

  /** out = x + scale * residual: (n, width) each; out may be either. */
  void add(Tensor x, Tensor residual, float scale, Tensor out);

  /**
   * The last {@code rope} elements of every head rotated, the others copied: q, out (n, heads, nope
   * + rope); out may be q.
   */
  void rotate(Tensor q, Rotation rotation, Tensor out);

  /**
   * W_UK into the query: q (n, heads, nope + rope) rotated, kvB (heads * (nope + value), latent),
   * out (n, heads, latent + rope).
   */
  void absorb(Tensor q, Weight kvB, ComputeType compute, Tensor out);

  /** W_UV: x (n, heads, latent), kvB as above, out (n, heads, value). */
  void expand(Tensor x, Weight kvB, ComputeType compute, Tensor out);

  /**
   * Norm, rotate, round and write the new tokens of every sequence of the plan: latentAndKey (n,
   * latent + rope) as the down-projection gives it, normWeight (latent) F32 or null.
   */
  void appendLatent(
      DecodePlan plan,
      int layer,
      Tensor latentAndKey,
      Tensor normWeight,
      float eps,
      Rotation rotation);

  /**
   * Attention with absorbed queries: q (n, heads, latent + rope), out (n, heads, latent), lse (n,
   * heads) or null. The tokens must have been appended to the layer.
   */
  void attendAbsorbed(
      DecodePlan plan,
      int layer,
      Tensor q,
      AttentionScore score,
      ComputeType compute,
      Tensor out,
      Tensor lse);

  /**
   * Attention in the form that the plan chose for each sequence, from rotated queries to head
   * outputs: q (n, heads, nope + rope), kvB (heads * (nope + value), latent), out (n, heads,
   * value).
   */
  void attend(
      DecodePlan plan,
      int layer,
      Tensor q,
      Weight kvB,
      AttentionScore score,
      ComputeType compute,
      Tensor out);

  /**
   * out = sum of exp(lse - max) out_i / sum: partialOut (parts, n, heads, width), partialLse
   * (parts, n, heads), lse or null.
   */
  void merge(Tensor partialOut, Tensor partialLse, Tensor out, Tensor lse);

  /** out = down(silu(gate x) * up x): x (n, in), out (n, down.out()). */
  void feedForward(Tensor x, FeedForward weights, ComputeType compute, Tensor out);

  /**
   * Router, chosen experts and shared experts: x (n, in), out (n, in). The shared expert is added
   * last.
   */
  void mixture(Tensor x, Mixture weights, ComputeType compute, Tensor out);

  /**
   * One of several linear layers with the same input.
   *
   * @param weight (out, in)
   * @param bias (out) F32, or null
   * @param out (n, out) F32
   */
  record Projection(Weight weight, Tensor bias, Tensor out) {}

  /**
   * A SwiGLU network.
   *
   * @param gate (inner, in)
   * @param up (inner, in)
   * @param down (width, inner)
   */
  record FeedForward(Weight gate, Weight up, Weight down) {}

  /**
   * A mixture of experts.
   *
   * @param router (experts, in); its product is computed in F32 whatever the compute type
   * @param bias (experts) F32, for the choice only, or null
   * @param experts one network for each expert, all of one shape
   * @param shared a network that every token passes, or null
   */
  record Mixture(
      Routing routing, Weight router, Tensor bias, List<FeedForward> experts, FeedForward shared) {}
}

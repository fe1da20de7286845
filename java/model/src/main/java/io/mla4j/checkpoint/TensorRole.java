package io.mla4j.checkpoint;

import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;

/** What a tensor of a checkpoint is for. */
public enum TensorRole {
  /** Token embedding (vocabulary, hidden). */
  EMBEDDING,
  /** Weight of the norm behind the last layer (hidden). */
  FINAL_NORM,
  /**
   * Output projection (vocabulary, hidden); where it is absent and the model is tied, the embedding
   * serves.
   */
  OUTPUT,
  /** Weight of the norm before attention (hidden). */
  ATTENTION_NORM,
  /** Weight of the norm before the feed-forward network (hidden). */
  FFN_NORM,
  /** Weight of the norm behind the sum of all experts (hidden). */
  FFN_POST_NORM,
  /** Query projection of a model without a query latent (heads * (nope + rope), hidden). */
  QUERY,
  /** Query down-projection (qLora, hidden). */
  QUERY_DOWN,
  /** Bias of the query down-projection (qLora). */
  QUERY_DOWN_BIAS,
  /** Weight of the norm of the query latent (qLora). */
  QUERY_NORM,
  /** Query up-projection (heads * (nope + rope), qLora). */
  QUERY_UP,
  /** Down-projection to latent and rotary key (latent + rope, hidden). */
  LATENT_DOWN,
  /** Bias of the down-projection (latent + rope). */
  LATENT_DOWN_BIAS,
  /** Weight of the norm of the latent (latent). */
  LATENT_NORM,
  /**
   * Up-projection to keys and values, per head nope then value (heads * (nope + value), latent).
   */
  LATENT_UP,
  /** Gate of the heads' results (heads, hidden) or (heads * value, hidden). */
  OUTPUT_GATE,
  /** Up-projection to keys alone, transposed: per head latent rows (heads * latent, nope). */
  KEYS_UP,
  /** Up-projection to values alone (heads * value, latent). */
  VALUES_UP,
  /** Attention output (hidden, heads * value). */
  ATTENTION_OUTPUT,
  /** Bias of the attention output (hidden). */
  ATTENTION_OUTPUT_BIAS,
  /** Gate of a dense network (inner, hidden). */
  DENSE_GATE,
  /** Up-projection of a dense network (inner, hidden). */
  DENSE_UP,
  /** Down-projection of a dense network (hidden, inner). */
  DENSE_DOWN,
  /** Router (experts, hidden). */
  ROUTER,
  /** Bias of the router, for the choice of experts only (experts). */
  ROUTER_BIAS,
  /** Gate of one expert (inner, hidden). */
  EXPERT_GATE,
  /** Up-projection of one expert (inner, hidden). */
  EXPERT_UP,
  /** Down-projection of one expert (hidden, inner). */
  EXPERT_DOWN,
  /** Gate of the shared experts (shared width, hidden). */
  SHARED_GATE,
  /** Up-projection of the shared experts (shared width, hidden). */
  SHARED_UP,
  /** Down-projection of the shared experts (hidden, shared width). */
  SHARED_DOWN;

  /** The role that a family's file calls {@code name}: in lower case. */
  static Optional<TensorRole> named(String name) {
    return Arrays.stream(values())
        .filter(role -> role.name().toLowerCase(Locale.ROOT).equals(name))
        .findFirst();
  }
}

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
  /** Bias of the query projection, as many as it has rows. */
  QUERY_BIAS,
  /** Key projection of grouped attention (groups * width, hidden). */
  KEY,
  /** Bias of the key projection (groups * width). */
  KEY_BIAS,
  /** Value projection of grouped attention (groups * width, hidden). */
  VALUE,
  /** Bias of the value projection (groups * width). */
  VALUE_BIAS,
  /** Weight of the norm of each head's query (width). */
  QUERY_HEAD_NORM,
  /** Weight of the norm of each head's key (width). */
  KEY_HEAD_NORM,
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
  /** Projection of the query latent to the queries of an indexer (heads * width, qLora). */
  INDEX_QUERY,
  /** Projection to the keys of an indexer (width, hidden). */
  INDEX_KEY,
  /** Weight of the layer norm of these keys (width). */
  INDEX_KEY_NORM,
  /** Bias of the layer norm of these keys (width). */
  INDEX_KEY_NORM_BIAS,
  /** Projection to the weights of the heads of an indexer (heads, hidden). */
  INDEX_WEIGHTS,
  /** Up-projection to keys alone, transposed: per head latent rows (heads * latent, nope). */
  KEYS_UP,
  /** Up-projection to values alone (heads * value, latent). */
  VALUES_UP,
  /** Attention output (hidden, heads * value). */
  ATTENTION_OUTPUT,
  /** Bias of the attention output (hidden). */
  ATTENTION_OUTPUT_BIAS,
  /** Query projection of Kimi Delta Attention (heads * width, hidden). */
  DELTA_QUERY,
  /** Key projection (heads * width, hidden). */
  DELTA_KEY,
  /** Value projection (heads * width, hidden). */
  DELTA_VALUE,
  /** Convolution of the queries (heads * width, taps), the factor of the oldest input first. */
  DELTA_QUERY_TAPS,
  /** Convolution of the keys (heads * width, taps). */
  DELTA_KEY_TAPS,
  /** Convolution of the values (heads * width, taps). */
  DELTA_VALUE_TAPS,
  /** Projection to the decays (heads * width, hidden). */
  DELTA_DECAY,
  /** The first of two matrices instead (width, hidden). */
  DELTA_DECAY_DOWN,
  /** The second of them (heads * width, width). */
  DELTA_DECAY_UP,
  /** Bias of the decays (heads * width). */
  DELTA_DECAY_BIAS,
  /** Logarithms of how fast the heads forget (heads). */
  DELTA_LOG_RATES,
  /** How fast the heads forget, instead of its logarithm; the sign says nothing (heads). */
  DELTA_RATES,
  /** Projection to how much of a token the heads learn (heads, hidden). */
  DELTA_BETA,
  /** Projection to the gates of the results (heads * width, hidden). */
  DELTA_GATE,
  /** The first of two matrices instead (width, hidden). */
  DELTA_GATE_DOWN,
  /** The second of them (heads * width, width). */
  DELTA_GATE_UP,
  /** Weight of the norm of a head's result (width). */
  DELTA_NORM,
  /** Output projection (hidden, heads * width). */
  DELTA_OUTPUT,
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
  SHARED_DOWN,
  /**
   * Weight of the norm of embeddings that enter a layer which predicts a token further (hidden).
   */
  PREDICTOR_EMBEDDING_NORM,
  /** Weight of the norm of the hidden states that enter it (hidden). */
  PREDICTOR_STATE_NORM,
  /** Projection of both, the embedding first (hidden, 2 * hidden). */
  PREDICTOR_JOIN;

  /** Whether it is a matrix of which a token reads those of the experts that it chose. */
  public boolean isOfExperts() {
    return this == EXPERT_GATE || this == EXPERT_UP || this == EXPERT_DOWN;
  }

  /** Whether its products are computed in float32 whatever the compute type: they decide. */
  public boolean isExact() {
    return this == ROUTER || this == INDEX_WEIGHTS;
  }

  /** Whether it is one of the convolutions of Kimi Delta Attention. */
  boolean isConvolution() {
    return this == DELTA_QUERY_TAPS || this == DELTA_KEY_TAPS || this == DELTA_VALUE_TAPS;
  }

  /** The role that a family's file calls {@code name}: in lower case. */
  static Optional<TensorRole> named(String name) {
    return Arrays.stream(values())
        .filter(role -> role.name().toLowerCase(Locale.ROOT).equals(name))
        .findFirst();
  }
}

package io.mla4j.checkpoint;

import io.mla4j.MlaShape;
import io.mla4j.StateLayout;
import io.mla4j.ops.AttendDelta;
import io.mla4j.position.RopeEncoding;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/** The attention of one layer. */
public sealed interface AttentionDescription {
  /** Layers of the cache that such a layer has: 0 where it has a state instead. */
  int cacheLayers();

  /** How queries and keys are rotated, where they have positions. */
  Optional<RopeEncoding> rotation();

  /**
   * Multi-head latent attention (DeepSeek-V2, section 2.1).
   *
   * @param shape heads, latent, rope, nope, value
   * @param queryLatent width of the query latent ({@code q_lora_rank}); empty: one projection from
   *     the hidden state to the queries
   * @param biases which projections have biases; the up-projections never have
   * @param latentNorm whether the latent is normed before it is cached
   * @param latentNormEps epsilon of the norms of both latents: 1e-6 in the families of DeepSeek,
   *     whatever the block norms use
   * @param latentScale factor on the normed latent before it is cached; not on the rotary key
   * @param scoreScale the factor on dot products, YaRN's included: {@code m^2 / sqrt(nope + rope)},
   *     and every constant factor on queries
   * @param rope how queries and the shared key are rotated
   * @param slopes of attention with linear biases (ALiBi), one for each head; none: there are no
   *     such biases
   * @param queryScale the factor on queries that depends on their position, where there is one
   * @param outputGate what multiplies the heads' results before the output projection
   * @param indexer what chooses the cached tokens that are attended to; empty: all of them are
   */
  record Mla(
      MlaShape shape,
      OptionalInt queryLatent,
      Biases biases,
      boolean latentNorm,
      float latentNormEps,
      float latentScale,
      float scoreScale,
      RopeEncoding rope,
      List<Float> slopes,
      Optional<QueryScale> queryScale,
      OutputGate outputGate,
      Optional<Indexer> indexer)
      implements AttentionDescription {
    /** One: all heads share a latent. */
    @Override
    public int cacheLayers() {
      return 1;
    }

    @Override
    public Optional<RopeEncoding> rotation() {
      return Optional.of(rope);
    }

    /** The same attention to tokens that {@code indexer} chooses. */
    Mla with(Indexer indexer) {
      return with(rope, slopes, scoreScale, Optional.of(indexer));
    }

    /** The same attention with positions told in another way. */
    Mla with(RopeEncoding otherRope, List<Float> otherSlopes, float otherScale) {
      return with(otherRope, otherSlopes, otherScale, indexer);
    }

    /** The same attention to latents of another width. */
    Mla withLatent(int latent) {
      return new Mla(
          new MlaShape(shape.heads(), latent, shape.rope(), shape.nope(), shape.value()),
          queryLatent,
          biases,
          latentNorm,
          latentNormEps,
          latentScale,
          scoreScale,
          rope,
          slopes,
          queryScale,
          outputGate,
          indexer);
    }

    private Mla with(
        RopeEncoding otherRope,
        List<Float> otherSlopes,
        float otherScale,
        Optional<Indexer> otherIndexer) {
      return new Mla(
          shape,
          queryLatent,
          biases,
          latentNorm,
          latentNormEps,
          latentScale,
          otherScale,
          otherRope,
          otherSlopes,
          queryScale,
          outputGate,
          otherIndexer);
    }
  }

  /**
   * Which projections have biases.
   *
   * @param query the first one to the queries
   * @param latent the one to the latent and the shared key
   * @param output the one behind the heads
   */
  record Biases(boolean query, boolean latent, boolean output) {
    /** Whether one has. */
    boolean any() {
      return query || latent || output;
    }
  }

  /**
   * What chooses the tokens of sparse attention (DeepSeek-V3.2, section 2.1): heads with queries
   * from the query latent, one key for each token, and the {@code topK} best scored tokens.
   *
   * @param shared whether the layer has no indexer of its own, but takes the choice of the last
   *     layer before it that has one
   * @param heads of the queries
   * @param width of a query and of a key
   * @param topK tokens that are attended to at most
   * @param rope how the first elements of queries and keys are rotated
   * @param normEps epsilon of the keys' layer norm
   */
  record Indexer(
      boolean shared, int heads, int width, int topK, RopeEncoding rope, float normEps) {}

  /**
   * Kimi Delta Attention (Kimi Linear, section 3): a recurrence over a state of the sequence.
   *
   * @param state heads and channels of the state
   * @param lowRank what lies between the two matrices of the decay, and of the gate; empty: each is
   *     one
   * @param decay how the state decays
   * @param normEps epsilon of the norm of the heads' results
   */
  record Kda(StateLayout state, OptionalInt lowRank, AttendDelta.Decay decay, float normEps)
      implements AttentionDescription {
    @Override
    public int cacheLayers() {
      return 0;
    }

    @Override
    public Optional<RopeEncoding> rotation() {
      return Optional.empty();
    }
  }

  /**
   * Multi-head, grouped-query (Ainslie et al., 2023) or multi-query attention: every {@code heads /
   * groups} heads share a key and a value, which are cached as they are.
   *
   * @param heads of the queries
   * @param groups heads of keys and values; divides heads
   * @param width of a query, key and value
   * @param inputBias whether the projections to queries, keys and values have biases
   * @param outputBias whether the output projection has one
   * @param headNorm whether queries and keys are normed, each head by itself with the epsilon of
   *     the block norms, before they are rotated
   * @param scoreScale the factor on dot products
   * @param rope how queries and keys are rotated, as a whole
   */
  record Grouped(
      int heads,
      int groups,
      int width,
      boolean inputBias,
      boolean outputBias,
      boolean headNorm,
      float scoreScale,
      RopeEncoding rope)
      implements AttentionDescription {
    /** One for each head of keys and values, whose rows have the value first, then the key. */
    @Override
    public int cacheLayers() {
      return groups;
    }

    @Override
    public Optional<RopeEncoding> rotation() {
      return Optional.of(rope);
    }

    /**
     * What heads that share a key and a value are to a plan: they attend to rows of a value, in
     * place of a latent, and a rotated key.
     */
    public MlaShape groupShape() {
      return new MlaShape(heads / groups, width, width, width, width);
    }
  }

  /**
   * The factor on a query at position t: {@code 1 + beta ln(1 + floor(t / originalContext))} (Llama
   * 4, Mistral 4).
   *
   * @param beta 0 or more
   * @param originalContext positions before the factor begins to grow
   */
  record QueryScale(double beta, int originalContext) {
    /** The factor at {@code position}, computed in float32 as transformers does. */
    public float at(int position) {
      return 1 + (float) beta * (float) Math.log(1f + position / originalContext);
    }
  }

  /** What the results of the heads are multiplied by. */
  enum OutputGate {
    /** Nothing. */
    NONE,
    /** {@code sigmoid(W_G norm(x))}, a number for each head. */
    PER_HEAD,
    /** {@code sigmoid(W_G norm(x))}, a number for each element of each head. */
    PER_ELEMENT
  }
}

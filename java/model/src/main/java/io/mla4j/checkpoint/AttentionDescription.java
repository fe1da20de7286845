package io.mla4j.checkpoint;

import io.mla4j.MlaShape;
import io.mla4j.position.RopeEncoding;
import java.util.OptionalInt;

/** The attention of one layer. */
public sealed interface AttentionDescription {
  /**
   * Multi-head latent attention (DeepSeek-V2, section 2.1).
   *
   * @param shape heads, latent, rope, nope, value
   * @param queryLatent width of the query latent ({@code q_lora_rank}); empty: one projection from
   *     the hidden state to the queries
   * @param bias whether the down-projections and the output have biases; the up-projections never
   *     have
   * @param latentNormEps epsilon of the norms of both latents: 1e-6 in the families of DeepSeek,
   *     whatever the block norms use
   * @param scoreScale the factor on dot products, YaRN's included: {@code m^2 / sqrt(nope + rope)}
   * @param rope how queries and the shared key are rotated
   */
  record Mla(
      MlaShape shape,
      OptionalInt queryLatent,
      boolean bias,
      float latentNormEps,
      float scoreScale,
      RopeEncoding rope)
      implements AttentionDescription {}
}

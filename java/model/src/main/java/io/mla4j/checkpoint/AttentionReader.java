package io.mla4j.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import io.mla4j.MlaShape;
import io.mla4j.ops.RopeLayout;
import java.util.OptionalInt;

/** The keys of config.json that describe the attention. */
final class AttentionReader {
  private static final int MAX_HEADS = 1 << 16;

  private AttentionReader() {}

  /**
   * The attention of every layer.
   *
   * @param context the positions that the rotation was made for
   */
  static AttentionDescription.Mla read(ConfigKeys keys, Family family, int context) {
    keys.orNone("num_key_value_heads", 1, MAX_HEADS);
    int heads = keys.wholeNumber("num_attention_heads", 1, MAX_HEADS);
    int latent = keys.wholeNumber("kv_lora_rank", 1, 4096);
    int nope = keys.wholeNumber("qk_nope_head_dim", 1, MAX_HEADS);
    int rope = keys.wholeNumber("qk_rope_head_dim", 0, 1024);
    if (rope % 2 != 0) {
      throw keys.error("qk_rope_head_dim", "is " + rope + ", but must be even");
    }
    int value = keys.wholeNumber("v_head_dim", 1, MAX_HEADS);
    if ((long) heads * (nope + Math.max(rope, value)) > Integer.MAX_VALUE) {
      throw keys.error(
          "num_attention_heads",
          "is "
              + heads
              + ", but heads of "
              + nope
              + " + "
              + Math.max(rope, value)
              + " elements must have less than 2^31 together");
    }
    keys.wholeNumber("qk_head_dim", nope + rope, nope + rope, nope + rope);
    OptionalInt queryLatent = keys.orNone("q_lora_rank", 1, ConfigReader.MAX_WIDTH);
    RopeLayout layout = keys.flag("rope_interleave", true) ? RopeLayout.PAIRS : RopeLayout.HALVES;
    RopeReader.Rope rotation = RopeReader.read(keys, rope, context, layout);
    return new AttentionDescription.Mla(
        new MlaShape(heads, latent, rope, nope, value),
        queryLatent,
        keys.flag("attention_bias", false),
        latentNormEps(keys, family.attention().path("latent_norm_eps")),
        (float) (rotation.scoreMultiplier() / Math.sqrt(nope + rope)),
        rotation.encoding());
  }

  /**
   * The latents' norms are built without an epsilon in most reference codes, so they have the
   * default of its norm; in others they share that of a key.
   */
  private static float latentNormEps(ConfigKeys keys, JsonNode eps) {
    return eps.isTextual()
        ? (float) keys.number(eps.textValue(), x -> x > 0, "a number above 0")
        : eps.floatValue();
  }
}

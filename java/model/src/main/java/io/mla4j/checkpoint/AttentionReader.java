package io.mla4j.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import io.mla4j.MlaShape;
import io.mla4j.checkpoint.AttentionDescription.Biases;
import io.mla4j.checkpoint.AttentionDescription.Mla;
import io.mla4j.checkpoint.AttentionDescription.OutputGate;
import io.mla4j.ops.RopeLayout;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * The keys of config.json that describe the attention, and the family's {@code attention}:
 *
 * <dl>
 *   <dt>{@code latent_norm_eps}
 *   <dd>a number, or the key that holds it
 *   <dt>{@code query_bias}, {@code output_bias}, {@code latent_norm}
 *   <dd>the keys that say whether queries and latents, or the output, have biases, and latents a
 *       norm; where there are none, {@code attention_bias} is about all that can have one, and
 *       latents have a norm
 *   <dt>{@code positions}
 *   <dd>of families that can tell positions otherwise, see {@link PositionsReader}
 *   <dt>{@code query_latent_scale}, {@code latent_scale}
 *   <dd>the key that says whether the normed latent of queries, or that of keys and values, is
 *       multiplied by {@code sqrt(hidden_size / its width)}; absent: it is not
 *   <dt>{@code query_scale}
 *   <dd>the key among the rotary ones that holds beta of {@link AttentionDescription.QueryScale}
 *   <dt>{@code output_gate}
 *   <dd>of {@link OutputGate}; absent: none
 *   <dt>{@code partial_rotary_of}
 *   <dd>{@code head} where {@code partial_rotary_factor} counts of nope and rope together
 *   <dt>{@code rotation}
 *   <dd>{@code none} where neither queries nor the shared key are rotated, whatever the keys say
 *   <dt>{@code delta}
 *   <dd>of layers with another attention, see {@link DeltaReader}
 *   <dt>{@code indexer}
 *   <dd>of sparse attention, see {@link IndexerReader}
 *   <dt>{@code grouped}
 *   <dd>of attention without latents, see {@link GroupedReader}
 *   <dt>{@code rope_keys}
 *   <dd>more keys that may stand among the rotary ones and change nothing
 * </dl>
 */
final class AttentionReader {
  private static final int MAX_HEADS = 1 << 16;

  private final ConfigKeys keys;
  private final Family family;
  private final int context;

  private AttentionReader(ConfigKeys keys, Family family, int context) {
    this.keys = keys;
    this.family = family;
    this.context = context;
  }

  /**
   * The attention of each of {@code count} layers of the file.
   *
   * @param context the positions that the rotation was made for
   */
  static List<AttentionDescription> read(ConfigKeys keys, Family family, int context, int count) {
    if (family.attention().has("grouped")) {
      return Collections.nCopies(
          count, new GroupedReader(keys, family.attention(), context).attention());
    }
    Mla mla = new AttentionReader(keys, family, context).mla();
    JsonNode indexer = family.attention().path("indexer");
    if (!indexer.isMissingNode()) {
      return new IndexerReader(keys, indexer).layers(mla, count);
    }
    JsonNode positions = family.attention().path("positions");
    if (!positions.isMissingNode()) {
      return new PositionsReader(keys, positions).layers(mla, count);
    }
    JsonNode delta = family.attention().path("delta");
    if (delta.isMissingNode()) {
      return Collections.nCopies(count, mla);
    }
    DeltaReader reader = new DeltaReader(keys, delta);
    AttentionDescription.Kda kda = reader.attention();
    List<AttentionDescription> layers = new ArrayList<>();
    for (boolean isDelta : reader.layers(count)) {
      layers.add(isDelta ? kda : mla);
    }
    return layers;
  }

  private Mla mla() {
    keys.orNone("num_key_value_heads", 1, MAX_HEADS);
    MlaShape shape = shape();
    OptionalInt queryLatent = keys.orNone("q_lora_rank", 1, ConfigReader.MAX_WIDTH);
    RopeLayout layout = keys.flag("rope_interleave", true) ? RopeLayout.PAIRS : RopeLayout.HALVES;
    RopeReader.Rope rotation =
        RopeReader.read(keys, family.attention(), shape.rope(), shape.query(), context, layout);
    if (family.attention().path("rotation").asText().equals("none")) {
      rotation = rotation.withoutRotation();
    }
    // A factor on queries is one on their scores.
    double queryScale =
        queryLatent.isPresent() ? scale("query_latent_scale", queryLatent.getAsInt()) : 1;
    return new Mla(
        shape,
        queryLatent,
        biases(queryLatent.isPresent()),
        flag("latent_norm", true),
        latentNormEps(family.attention().path("latent_norm_eps")),
        (float) scale("latent_scale", shape.latent()),
        (float) (queryScale * rotation.scoreMultiplier() / Math.sqrt(shape.query())),
        rotation.encoding(),
        List.of(),
        rotation.queryScale(),
        family.trait(OutputGate.class, family.attention().path("output_gate").asText("none")),
        Optional.empty());
  }

  private MlaShape shape() {
    int heads = keys.wholeNumber("num_attention_heads", 1, MAX_HEADS);
    int latent = keys.wholeNumber("kv_lora_rank", 1, 4096);
    int nope = keys.wholeNumber("qk_nope_head_dim", 1, MAX_HEADS);
    int rope = keys.wholeNumber("qk_rope_head_dim", 0, 1024);
    if (rope % 2 != 0) {
      throw keys.error("qk_rope_head_dim", "is " + rope + ", but must be even");
    }
    int hidden = keys.wholeNumber("hidden_size", 1, ConfigReader.MAX_WIDTH);
    int value = keys.wholeNumber("v_head_dim", Math.max(1, hidden / heads), 1, MAX_HEADS);
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
    return new MlaShape(heads, latent, rope, nope, value);
  }

  private Biases biases(boolean hasQueryLatent) {
    boolean all = keys.flag("attention_bias", false);
    return new Biases(
        flag("query_bias", all && hasQueryLatent),
        flag("query_bias", all),
        flag("output_bias", all));
  }

  /** What the key says that the family names, where it names one. */
  private boolean flag(String trait, boolean absent) {
    String key = family.attention().path(trait).asText();
    return key.isEmpty() ? absent : keys.flag(key, false);
  }

  /**
   * The latents' norms are built without an epsilon in most reference codes, so they have the
   * default of its norm; in others they share that of a key.
   */
  private float latentNormEps(JsonNode eps) {
    return eps.isTextual()
        ? (float) keys.number(eps.textValue(), x -> x > 0, "a number above 0")
        : eps.floatValue();
  }

  /** {@code sqrt(hidden_size / width)} where the key that the family names says so. */
  private double scale(String trait, int width) {
    String key = family.attention().path(trait).asText();
    return !key.isEmpty() && keys.flag(key, false)
        ? Math.sqrt((double) keys.wholeNumber("hidden_size", 1, ConfigReader.MAX_WIDTH) / width)
        : 1;
  }
}

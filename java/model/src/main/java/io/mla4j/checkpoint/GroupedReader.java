package io.mla4j.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import io.mla4j.checkpoint.AttentionDescription.Grouped;
import io.mla4j.ops.RopeLayout;

/**
 * The keys of config.json that describe attention with heads of keys and values, and the family's
 * {@code attention.grouped}:
 *
 * <dl>
 *   <dt>{@code input_bias}, {@code output_bias}
 *   <dd>whether the projections to queries, keys and values, or the one behind the heads, have
 *       biases: true, false, or the key that says so
 *   <dt>{@code head_norm}
 *   <dd>whether the heads of queries and keys are normed
 *   <dt>{@code window}
 *   <dd>the key that holds how many tokens a query sees at most; absent: all of them. One that is
 *       shorter than the context is refused
 * </dl>
 *
 * <p>An absent {@code num_key_value_heads} means as many as heads, an absent {@code head_dim}
 * {@code hidden_size} over the heads.
 */
final class GroupedReader {
  private static final int MAX_HEADS = 1 << 16;

  /** Of a rotated key in the cache. */
  private static final int MAX_WIDTH = 1024;

  private final ConfigKeys keys;
  private final JsonNode attention;
  private final JsonNode traits;
  private final int context;

  /**
   * @param attention the family's
   * @param context the positions that the rotation was made for
   */
  GroupedReader(ConfigKeys keys, JsonNode attention, int context) {
    this.keys = keys;
    this.attention = attention;
    this.traits = attention.path("grouped");
    this.context = context;
  }

  Grouped attention() {
    int heads = keys.wholeNumber("num_attention_heads", 1, MAX_HEADS);
    int groups = keys.orNone("num_key_value_heads", 1, MAX_HEADS).orElse(heads);
    if (heads % groups != 0) {
      throw keys.error(
          "num_key_value_heads", "is " + groups + ", but must divide the " + heads + " heads");
    }
    int width = width(heads);
    refuseWindow();
    RopeLayout layout = keys.flag("rope_interleave", false) ? RopeLayout.PAIRS : RopeLayout.HALVES;
    // Factors of the rotation on queries and keys are all that scales scores beside their width.
    RopeReader.Rope rotation = RopeReader.read(keys, attention, width, width, context, layout);
    return new Grouped(
        heads,
        groups,
        width,
        flag("input_bias"),
        flag("output_bias"),
        traits.path("head_norm").asBoolean(),
        (float) (1 / Math.sqrt(width)),
        rotation.encoding());
  }

  private int width(int heads) {
    int hidden = keys.wholeNumber("hidden_size", 1, ConfigReader.MAX_WIDTH);
    int width = keys.wholeNumber("head_dim", Math.max(1, hidden / heads), 1, MAX_WIDTH);
    if (width % 2 != 0) {
      throw keys.error("head_dim", "is " + width + ", but must be even");
    }
    if ((long) heads * width > ConfigReader.MAX_WIDTH) {
      throw keys.error(
          "num_attention_heads",
          "is "
              + heads
              + ", but heads of "
              + width
              + " elements must have at most "
              + ConfigReader.MAX_WIDTH
              + " together");
    }
    keys.wholeNumber("v_head_dim", width, width, width);
    keys.wholeNumber("rotary_dim", width, width, width);
    return width;
  }

  /** A window over all of the context is none. */
  private void refuseWindow() {
    String key = traits.path("window").asText();
    int window = key.isEmpty() ? context : keys.orNone(key, 1, Integer.MAX_VALUE).orElse(context);
    if (window < context) {
      throw keys.error(
          key,
          "is "
              + window
              + ", but sliding windows are not supported: it must be null or at least the context, "
              + context);
    }
  }

  private boolean flag(String trait) {
    JsonNode value = traits.path(trait);
    return value.isTextual() ? keys.flag(value.textValue(), false) : value.asBoolean();
  }
}

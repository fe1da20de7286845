package io.mla4j.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import io.mla4j.checkpoint.AttentionDescription.Indexer;
import io.mla4j.checkpoint.AttentionDescription.Mla;
import io.mla4j.ops.RopeLayout;
import io.mla4j.position.RopeEncoding;
import java.util.ArrayList;
import java.util.List;

/**
 * The keys of config.json that describe the indexer of sparse attention, and the family's {@code
 * attention.indexer}:
 *
 * <dl>
 *   <dt>{@code rope}
 *   <dd>how its queries and keys are rotated: {@code pairs} or {@code halves}
 *   <dt>{@code norm_eps}
 *   <dd>epsilon of its keys' layer norm
 *   <dt>{@code reused}
 *   <dd>whether layers may take the choice of a layer before them: those that {@code indexer_types}
 *       calls shared, or {@code index_topk_pattern} S, else all but every {@code
 *       index_topk_freq}-th from {@code index_skip_topk_offset - 1} on
 * </dl>
 */
final class IndexerReader {
  private static final String TYPES = "indexer_types";
  private static final String PATTERN = "index_topk_pattern";
  private static final String OFFSET = "index_skip_topk_offset";

  private final ConfigKeys keys;
  private final JsonNode traits;

  IndexerReader(ConfigKeys keys, JsonNode traits) {
    this.keys = keys;
    this.traits = traits;
  }

  /** The attention of each of {@code count} layers, which is {@code mla} to chosen tokens. */
  List<AttentionDescription> layers(Mla mla, int count) {
    if (mla.queryLatent().isEmpty()) {
      throw keys.error("q_lora_rank", "is missing, but the indexer's queries are made from it");
    }
    Mla full = mla.with(indexer(mla.rope(), false));
    Mla shared = mla.with(indexer(mla.rope(), true));
    List<AttentionDescription> layers = new ArrayList<>();
    for (boolean isShared : sharedLayers(count)) {
      layers.add(isShared ? shared : full);
    }
    return layers;
  }

  private Indexer indexer(RopeEncoding rope, boolean shared) {
    int heads = keys.wholeNumber("index_n_heads", 1, 1 << 12);
    int width = keys.wholeNumber("index_head_dim", 1, 4096);
    if (width < rope.width()) {
      throw keys.error(
          "index_head_dim",
          "is " + width + ", less than the " + rope.width() + " rotated elements");
    }
    RopeLayout layout =
        traits.path("rope").asText().equals("pairs") ? RopeLayout.PAIRS : RopeLayout.HALVES;
    return new Indexer(
        shared,
        heads,
        width,
        keys.wholeNumber("index_topk", 1, 1 << 24),
        new RopeEncoding(rope.width(), rope.theta(), layout, rope.scaling()),
        traits.path("norm_eps").floatValue());
  }

  private boolean[] sharedLayers(int count) {
    boolean[] shared = new boolean[count];
    if (!traits.path("reused").asBoolean()) {
      return shared;
    }
    int frequency = Math.max(1, keys.wholeNumber("index_topk_freq", 1, 0, count));
    int offset = keys.wholeNumber(OFFSET, 2, 0, Integer.MAX_VALUE);
    List<String> pattern = keys.letters(PATTERN).orElse(null);
    List<String> types = keys.texts(TYPES).orElse(null);
    for (int i = 0; i < count; i++) {
      if (types != null) {
        shared[i] = isShared(TYPES, types, i, count, "full", "shared");
      } else if (pattern != null) {
        shared[i] = isShared(PATTERN, pattern, i, count, "F", "S");
      } else {
        shared[i] = Math.max(i - offset + 1L, 0) % frequency != 0;
      }
    }
    if (shared[0]) {
      throw types == null && pattern == null
          ? keys.error(OFFSET, "is " + offset + ", so that the first layer has no choice")
          : keys.error(types != null ? TYPES : PATTERN, "begins with a layer that has no choice");
    }
    return shared;
  }

  private boolean isShared(
      String key, List<String> all, int i, int count, String full, String shared) {
    if (all.size() != count) {
      throw keys.error(key, "names " + all.size() + " layers, but num_hidden_layers is " + count);
    }
    String type = all.get(i);
    if (!type.equals(full) && !type.equals(shared)) {
      throw keys.error(
          key,
          "has " + Quote.name(type) + ", but must have only '" + full + "' and '" + shared + "'");
    }
    return type.equals(shared);
  }
}

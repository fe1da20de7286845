package io.mla4j.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/**
 * What a {@code model_type} fixes by itself, and what it assumes where a key is absent: the file
 * {@code families/<model_type>.json} beside this class, in the words of config.json.
 *
 * <p>A file may extend another one, see {@link DataFolder}. A family that computes nothing new is
 * such a file and nothing else.
 *
 * <dl>
 *   <dt>{@code defaults}
 *   <dd>values of absent keys of config.json
 *   <dt>{@code aliases}
 *   <dd>other names of a key
 *   <dt>{@code values}
 *   <dd>the values that a key may have, or {@code "any"} where it changes nothing
 *   <dt>{@code wraps}
 *   <dd>where the model is a part of a larger one: {@code config}, the key whose object is the
 *       configuration of a family by itself, and {@code names}, how the names of its tensors begin;
 *       everything else in such a file and such a checkpoint is not looked at
 *   <dt>{@code scales}
 *   <dd>the keys that hold factors: {@code embedding}, on embeddings; {@code depth}, on every
 *       branch, over the square root of the number of layers; {@code width}, over {@code
 *       hidden_size}, on the final norm before the output projection
 *   <dt>{@code topology}
 *   <dd>of {@link Topology}; absent: plain
 *   <dt>{@code attention}
 *   <dd>what the attention is like, see {@link AttentionReader}
 *   <dt>{@code dense}
 *   <dd>{@code activation} of the dense networks, of {@link FfnDescription.Activation}; absent:
 *       swiglu
 *   <dt>{@code router}
 *   <dd>how experts are chosen, see {@link FfnReader}; absent in a family without experts
 *   <dt>{@code tensors}
 *   <dd>{@code names} of the roles of {@link TensorRole}, see {@link TensorPlace}; {@code
 *       predictor}: those that differ in a layer which predicts a token further; {@code layer}: how
 *       the names of a layer's tensors begin; {@code ignored}: how the names of tensors end that
 *       say nothing; see {@link TensorNames}
 * </dl>
 *
 * @param modelType the value of {@code model_type}
 */
record Family(
    String modelType,
    JsonNode defaults,
    Map<String, List<String>> aliases,
    JsonNode values,
    JsonNode wraps,
    JsonNode scales,
    Topology topology,
    JsonNode attention,
    JsonNode dense,
    Optional<JsonNode> router,
    TensorNames names) {
  private static final DataFolder FOLDER = new DataFolder("families", "family", "deepseek_v3");
  private static final Set<String> KEYS =
      Set.of(
          "about",
          "extends",
          "defaults",
          "aliases",
          "values",
          "wraps",
          "scales",
          "topology",
          "attention",
          "dense",
          "router",
          "tensors");

  /** Of which blocks a layer of the file consists. */
  enum Topology {
    /** Attention and a network. */
    PLAIN(1),
    /**
     * Two attentions with a dense network each; a mixture of experts beside the first network,
     * added at the end (LongCat-Flash).
     */
    DUAL_SHORTCUT(2);

    private final int blocks;

    Topology(int blocks) {
      this.blocks = blocks;
    }

    /** Blocks of a layer. */
    int blocks() {
      return blocks;
    }
  }

  /** The family called {@code modelType}, where there is one. */
  static Optional<Family> named(String modelType) {
    return FOLDER.find(modelType).map(json -> of(modelType, json));
  }

  /** The names of all families, for a message. */
  static String supported() {
    return String.join(", ", FOLDER.files());
  }

  private static Family of(String modelType, ObjectNode json) {
    json.fieldNames()
        .forEachRemaining(
            key -> {
              if (!KEYS.contains(key)) {
                throw error(modelType, "has " + Quote.name(key) + ", which is not known");
              }
            });
    Map<String, List<String>> aliases = new TreeMap<>();
    json.path("aliases")
        .properties()
        .forEach(alias -> aliases.put(alias.getKey(), texts(alias.getValue())));
    JsonNode tensors = json.path("tensors");
    Topology topology = trait(modelType, Topology.class, json.path("topology").asText("plain"));
    if (!json.has("wraps")) {
      TensorNames.requireLayer(FOLDER, modelType, tensors);
    }
    return new Family(
        modelType,
        json.path("defaults"),
        aliases,
        json.path("values"),
        json.path("wraps"),
        json.path("scales"),
        topology,
        json.path("attention"),
        json.path("dense"),
        Optional.ofNullable(json.get("router")),
        TensorNames.read(FOLDER, modelType, tensors, topology.blocks()));
  }

  /** The value of {@code type} that the family's file calls {@code name}: in lower case. */
  <T extends Enum<T>> T trait(Class<T> type, String name) {
    return trait(modelType, type, name);
  }

  private static <T extends Enum<T>> T trait(String modelType, Class<T> type, String name) {
    try {
      return Enum.valueOf(type, name.toUpperCase(Locale.ROOT));
    } catch (IllegalArgumentException e) {
      throw error(modelType, "has " + Quote.name(name) + ", which is no " + type.getSimpleName());
    }
  }

  private static List<String> texts(JsonNode array) {
    return array.valueStream().map(JsonNode::asText).toList();
  }

  private static CheckpointException error(String modelType, String what) {
    return FOLDER.error(modelType, what);
  }
}

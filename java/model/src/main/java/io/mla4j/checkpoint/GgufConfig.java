package io.mla4j.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.NullNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What a GGUF file says about its model in the words of config.json, so that families and the
 * reader of configurations need not know where a model comes from. How, says the file {@code
 * gguf/<architecture>.json} beside this class:
 *
 * <dl>
 *   <dt>{@code cases}
 *   <dd>the first whose {@code where} holds says with {@code config} of which family the model is,
 *       and what else follows from that
 *   <dt>{@code keys}
 *   <dd>for each key of config.json where its value stands, see {@link GgufSource}
 *   <dt>{@code ignored}
 *   <dd>keys of the file that change nothing or say again what others say; those that nobody knows
 *       are handed on as they are, so that they are refused where they may change what the model
 *       computes
 *   <dt>{@code tensors}
 *   <dd>as in the file of a family
 * </dl>
 *
 * <p>A key whose value is an object has {@code object} with the keys inside; {@code unless}: a list
 * of conditions; {@code if_tensor}: the name of a tensor without which it is not there.
 *
 * <p>{@code where} is an object that lists for each key the values that it may have; null stands
 * for an absent one. Keys are those of the file without the name of the architecture before them.
 */
final class GgufConfig {
  static final String ARCHITECTURE = "general.architecture";
  private static final DataFolder FOLDER = new DataFolder("gguf", "GGUF architecture", "deepseek2");

  private final GgufMetadata metadata;
  private final Checkpoint checkpoint;
  private final String architecture;
  private final JsonNode description;
  private final TensorNames names;
  private final ObjectNode config = JsonNodeFactory.instance.objectNode();
  private final Map<String, String> titles = new HashMap<>();
  private final Set<String> used = new HashSet<>();

  private GgufConfig(Checkpoint checkpoint, GgufMetadata metadata) {
    this.checkpoint = checkpoint;
    this.metadata = metadata;
    architecture =
        metadata.text(ARCHITECTURE).orElseThrow(() -> metadata.error(ARCHITECTURE, "is missing"));
    description =
        FOLDER
            .find(architecture)
            .orElseThrow(
                () ->
                    metadata.error(
                        ARCHITECTURE,
                        "is "
                            + Quote.name(architecture)
                            + ", which is not supported; supported are "
                            + String.join(", ", FOLDER.files())));
    JsonNode tensors = description.path("tensors");
    TensorNames.requireLayer(FOLDER, architecture, tensors);
    names = TensorNames.read(FOLDER, architecture, tensors, 1);
  }

  /**
   * Reads the keys of a GGUF file.
   *
   * @throws CheckpointException naming the file and the key that is missing, malformed or not
   *     supported
   */
  static GgufConfig of(Checkpoint checkpoint, GgufMetadata metadata) {
    GgufConfig result = new GgufConfig(checkpoint, metadata);
    result.read();
    return result;
  }

  /** The keys of a config.json. */
  ObjectNode config() {
    return config;
  }

  /** The key of the file behind a key of {@link #config}, for messages. */
  Map<String, String> titles() {
    return titles;
  }

  /** Where the file has its tensors. */
  TensorNames names() {
    return names;
  }

  private void read() {
    put("", config, description.path("keys"));
    config.setAll(matchingCase());
    for (JsonNode key : description.path("ignored")) {
      used.add(full(key.asText()));
    }
    for (String key : metadata.keys()) {
      if (key.startsWith(architecture + ".") && !used.contains(key)) {
        config.set(key, metadata.json(key));
        titles.put(key, title(key));
      }
    }
  }

  private void put(String prefix, ObjectNode to, JsonNode sources) {
    for (Map.Entry<String, JsonNode> entry : sources.properties()) {
      String key = prefix + entry.getKey();
      JsonNode source = entry.getValue();
      if (!source.has("object")) {
        GgufSource.Found found = new GgufSource(this, source).find();
        to.set(entry.getKey(), found.value());
        if (found.key() != null) {
          titles.put(key, title(full(found.key())));
        }
      } else if (isThere(source)) {
        ObjectNode object = JsonNodeFactory.instance.objectNode();
        put(key + ".", object, source.path("object"));
        to.set(entry.getKey(), object);
      }
    }
  }

  /** Whether an object that depends on conditions has a place in the configuration. */
  private boolean isThere(JsonNode source) {
    String tensor = source.path("if_tensor").asText();
    return source.path("unless").valueStream().noneMatch(this::holds)
        && (tensor.isEmpty() || named(tensor) != null);
  }

  private static String title(String key) {
    return "key " + Quote.name(key);
  }

  private ObjectNode matchingCase() {
    JsonNode last = null;
    for (JsonNode option : description.path("cases")) {
      if (holds(option.path("where"))) {
        return (ObjectNode) option.path("config");
      }
      last = option.path("where");
    }
    String key = last == null ? "" : last.fieldNames().next();
    throw metadata.error(
        full(key), "is " + Quote.line(value(key).toString()) + ", which is not supported");
  }

  private boolean holds(JsonNode where) {
    return where.properties().stream()
        .allMatch(
            condition ->
                condition
                    .getValue()
                    .valueStream()
                    .anyMatch(allowed -> ConfigKeys.same(allowed, value(condition.getKey()))));
  }

  /** The value at a key, null where it is absent. */
  JsonNode value(String key) {
    used.add(full(key));
    JsonNode value = metadata.json(full(key));
    return value == null ? NullNode.instance : value;
  }

  /** The whole name of a key. */
  private String full(String key) {
    return key.startsWith("general.") || key.startsWith("tokenizer.")
        ? key
        : architecture + "." + key;
  }

  CheckpointException error(String key, String what) {
    return metadata.error(full(key), what);
  }

  CheckpointException malformed(JsonNode source) {
    return FOLDER.error(architecture, "has a source " + Quote.line(source.toString()));
  }

  /** A tensor of the first layer, or null. */
  @Nullable StoredTensor tensor(String role) {
    return tensor(role, 0);
  }

  /** A tensor of a layer, or null. */
  @Nullable StoredTensor tensor(String role, int layer) {
    List<TensorPlace> places = TensorRole.named(role).map(names::of).orElse(List.of());
    for (TensorPlace place : places) {
      StoredTensor stored = checkpoint.find(names.name(place, layer, 0)).orElse(null);
      if (stored != null) {
        return stored;
      }
    }
    return null;
  }

  /** The tensor called {@code name}, or null. */
  @Nullable StoredTensor named(String name) {
    return checkpoint.find(name).orElse(null);
  }

  /** An empty list of JSON. */
  static ArrayNode list() {
    return JsonNodeFactory.instance.arrayNode();
  }
}

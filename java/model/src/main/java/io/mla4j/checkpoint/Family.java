package io.mla4j.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.net.JarURLConnection;
import java.net.URI;
import java.net.URL;
import java.net.URLConnection;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * What a {@code model_type} fixes by itself, and what it assumes where a key is absent: the file
 * {@code families/<model_type>.json} beside this class, in the words of config.json.
 *
 * <p>A file may extend another one: objects are laid over the other's, null takes a key away. A
 * family that computes nothing new is such a file and nothing else.
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
 *   <dt>{@code router}
 *   <dd>how experts are chosen, see {@link FfnReader}; absent in a family without experts
 *   <dt>{@code tensors}
 *   <dd>{@code names} of the roles of {@link TensorRole}, see {@link TensorPlace}; {@code layer}:
 *       how the names of a layer's tensors begin; {@code ignored}: how the names of tensors end
 *       that say nothing; see {@link TensorNames}
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
    Optional<JsonNode> router,
    TensorNames names) {
  private static final String FOLDER = "families/";
  private static final String ENDING = ".json";
  private static final Pattern MODEL_TYPE = Pattern.compile("[A-Za-z0-9_.-]{1,100}");
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
    return find(modelType).map(json -> of(modelType, json));
  }

  /** The names of all families, for a message. */
  static String supported() {
    return String.join(", ", files());
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
    if (!json.has("wraps") && !tensors.path("layer").asText().contains(TensorNames.LAYER)) {
      throw error(modelType, "has no tensors.layer with {l} for the layer's number");
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
        Optional.ofNullable(json.get("router")),
        new TensorNames(
            tensors.path("names").properties().stream()
                .collect(
                    Collectors.toMap(
                        name -> role(modelType, name.getKey()),
                        name -> places(modelType, name.getValue()))),
            tensors.path("layer").asText(),
            texts(tensors.path("ignored")),
            topology.blocks()));
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

  private static TensorRole role(String modelType, String name) {
    return TensorRole.named(name)
        .orElseThrow(
            () -> error(modelType, "names a tensor " + Quote.name(name) + ", which is no role"));
  }

  private static List<TensorPlace> places(String modelType, JsonNode node) {
    try {
      return TensorPlace.read(node);
    } catch (IllegalArgumentException e) {
      throw error(modelType, "has a tensor " + e.getMessage() + ", which is no place");
    }
  }

  private static List<String> texts(JsonNode array) {
    return array.valueStream().map(JsonNode::asText).toList();
  }

  /** The file of {@code modelType}, laid over the one that it extends. */
  private static Optional<ObjectNode> find(String modelType) {
    if (!MODEL_TYPE.matcher(modelType).matches()) {
      return Optional.empty();
    }
    ObjectNode json;
    try (InputStream in = Family.class.getResourceAsStream(FOLDER + modelType + ENDING)) {
      if (in == null) {
        return Optional.empty();
      }
      json = Json.readObject("family " + modelType, in);
    } catch (IOException e) {
      throw error(modelType, "cannot be read: " + Quote.line(e.toString()));
    }
    JsonNode base = json.remove("extends");
    if (base == null) {
      return Optional.of(json);
    }
    ObjectNode merged =
        find(base.asText())
            .orElseThrow(
                () ->
                    error(
                        modelType,
                        "extends " + Quote.name(base.asText()) + ", which is not there"));
    lay(json, merged);
    return Optional.of(merged);
  }

  private static void lay(ObjectNode upper, ObjectNode lower) {
    for (Map.Entry<String, JsonNode> entry : upper.properties()) {
      JsonNode below = lower.get(entry.getKey());
      if (entry.getValue().isNull()) {
        lower.remove(entry.getKey());
      } else if (entry.getValue() instanceof ObjectNode object && below instanceof ObjectNode old) {
        lay(object, old);
      } else {
        lower.set(entry.getKey(), entry.getValue());
      }
    }
  }

  /** The names of the files, in whatever this class was loaded from. */
  private static Set<String> files() {
    URL known = Family.class.getResource(FOLDER + "deepseek_v3" + ENDING);
    try {
      URLConnection connection = known.openConnection();
      if (connection instanceof JarURLConnection jar) {
        String folder = jar.getEntryName().substring(0, jar.getEntryName().lastIndexOf('/') + 1);
        return names(
            jar.getJarFile().stream()
                .map(entry -> entry.getName())
                .filter(name -> name.startsWith(folder))
                .map(name -> name.substring(folder.length())));
      }
      try (Stream<Path> files = Files.list(Path.of(URI.create(known.toString())).getParent())) {
        return names(files.map(file -> file.getFileName().toString()));
      }
    } catch (IOException e) {
      throw new CheckpointException(
          "the families cannot be listed: " + Quote.line(e.toString()), e);
    }
  }

  private static Set<String> names(Stream<String> files) {
    return files
        .filter(file -> file.endsWith(ENDING))
        .map(file -> file.substring(0, file.length() - ENDING.length()))
        .collect(Collectors.toCollection(TreeSet::new));
  }

  private static CheckpointException error(String modelType, String what) {
    return new CheckpointException("family " + modelType + ": " + what);
  }
}

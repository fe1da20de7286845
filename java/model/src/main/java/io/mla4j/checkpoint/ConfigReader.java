package io.mla4j.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.mla4j.position.RopeEncoding;
import io.mla4j.position.RopeScaling;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Makes a {@link ModelDescription} from {@code config.json} and, for more ids that end a text,
 * {@code generation_config.json}.
 *
 * <p>Absent keys mean what the file of the family says, which is what the family's class in Hugging
 * Face transformers means by it. Every value is checked for type and range. A key that changes the
 * forward pass and is not supported is refused by name.
 */
public final class ConfigReader {
  static final int MAX_WIDTH = 1 << 20;
  private static final String CONFIG = "config.json";
  private static final long MAX_BYTES = 10_000_000;
  static final int MAX_LAYERS = 4096;
  private static final int MAX_VOCABULARY = 1 << 24;

  private final Path file;
  private final ConfigKeys keys;
  private final Family family;

  /** The keys around those of the model, where it is a part of a larger one. */
  private final Optional<Wrapper> wrapper;

  private record Wrapper(ConfigKeys keys, Family family) {
    static Wrapper of(Path file, JsonNode object, Family family) {
      return new Wrapper(ConfigKeys.of(file, "", object, family), family);
    }

    /** The object that holds the model's keys. */
    String config() {
      return family.wraps().path("config").asText();
    }
  }

  private ConfigReader(Path file, ConfigKeys keys, Family family, Optional<Wrapper> wrapper) {
    this.file = file;
    this.keys = keys;
    this.family = family;
    this.wrapper = wrapper;
  }

  /**
   * Reads the configuration of a model: of a directory, or of a GGUF file.
   *
   * @throws CheckpointException naming the file and the key that is malformed, out of range, or not
   *     supported
   */
  public static ModelDescription read(Path path) {
    if (Files.isDirectory(path) && Checkpoint.gguf(path).isEmpty()) {
      return readJson(path.resolve(CONFIG));
    }
    try (Checkpoint checkpoint = Checkpoint.open(path)) {
      return read(checkpoint);
    }
  }

  /**
   * Reads the configuration of an open model: the keys of its GGUF file, or config.json beside its
   * weights.
   *
   * @throws CheckpointException as above
   */
  public static ModelDescription read(Checkpoint checkpoint) {
    return read(checkpoint, null);
  }

  /**
   * As above.
   *
   * @param positions how positions are told instead of what the configuration says, or null
   */
  public static ModelDescription read(Checkpoint checkpoint, @Nullable PositionOverride positions) {
    return checkpoint
        .gguf()
        .map(
            metadata -> readGguf(GgufConfig.of(checkpoint, metadata), checkpoint.path(), positions))
        .orElseGet(
            () -> {
              Path file = checkpoint.path().resolveSibling(CONFIG);
              return read(file, Json.readObject(file, MAX_BYTES), positions);
            });
  }

  private static ModelDescription readJson(Path file) {
    return read(file, Json.readObject(file, MAX_BYTES));
  }

  private static ModelDescription readGguf(
      GgufConfig gguf, Path file, @Nullable PositionOverride positions) {
    Family family = family(new ConfigKeys(file, "", gguf.config()));
    change(positions, gguf.config(), family, file);
    ConfigKeys keys = ConfigKeys.of(file, "", gguf.config(), family, gguf.titles());
    ModelDescription model = new ConfigReader(file, keys, family, Optional.empty()).read();
    return on(positions, model.withNames(gguf.names()), file);
  }

  private static void change(
      @Nullable PositionOverride positions, JsonNode config, Family family, Path file) {
    if (positions != null) {
      positions.change((ObjectNode) config, family, file);
    }
  }

  private static ModelDescription on(
      @Nullable PositionOverride positions, ModelDescription model, Path file) {
    return positions == null ? model : positions.on(model, file);
  }

  /**
   * Reads a configuration that stands in {@code file}.
   *
   * @param object the keys of a config.json
   */
  static ModelDescription read(Path file, JsonNode object) {
    return read(file, object, null);
  }

  private static ModelDescription read(
      Path file, JsonNode object, @Nullable PositionOverride positions) {
    Family family = family(new ConfigKeys(file, "", object));
    if (family.wraps().isMissingNode()) {
      change(positions, object, family, file);
      ConfigKeys keys = ConfigKeys.of(file, "", object, family);
      return on(positions, new ConfigReader(file, keys, family, Optional.empty()).read(), file);
    }
    Wrapper wrapper = Wrapper.of(file, object, family);
    String prefix = wrapper.config() + ".";
    JsonNode inner = wrapper.keys.node(wrapper.config());
    ConfigKeys innerKeys = new ConfigKeys(file, prefix, inner);
    Family innerFamily = family(innerKeys);
    if (!innerFamily.wraps().isMissingNode()) {
      throw innerKeys.error("model_type", "is a model around another one, inside of another one");
    }
    change(positions, inner, innerFamily, file);
    ConfigKeys keys = ConfigKeys.of(file, prefix, inner, innerFamily);
    return on(
        positions, new ConfigReader(file, keys, innerFamily, Optional.of(wrapper)).read(), file);
  }

  private static Family family(ConfigKeys start) {
    String key = "model_type";
    String modelType =
        start
            .text(key)
            .orElseThrow(() -> start.error(key, "is missing; supported are " + Family.supported()));
    return Family.named(modelType)
        .orElseThrow(
            () ->
                start.error(
                    key,
                    "is "
                        + Quote.name(modelType)
                        + ", which is not supported; supported are "
                        + Family.supported()));
  }

  private ModelDescription read() {
    keys.has("model_type");
    refuseUnsupported();
    Quantization quantization = quantization();
    int vocabulary = keys.wholeNumber("vocab_size", 1, MAX_VOCABULARY);
    int hidden = keys.wholeNumber("hidden_size", 1, MAX_WIDTH);
    double eps =
        keys.number("rms_norm_eps", x -> x > 0 && x <= 1, "a number above 0 and at most 1");
    int context = keys.wholeNumber("max_position_embeddings", 1, Integer.MAX_VALUE);
    int count = keys.wholeNumber("num_hidden_layers", 1, MAX_LAYERS);
    List<AttentionDescription> attentions = AttentionReader.read(keys, family, context, count);
    List<FfnReader.Networks> networks = FfnReader.read(keys, family, count);
    boolean tied = keys.flag("tie_word_embeddings", false);
    float embedScale = (float) scale("embedding", 1);
    float residualScale = (float) scale("depth", Math.sqrt(count));
    float outputScale = (float) scale("width", hidden);
    OptionalInt bos = bos(vocabulary);
    List<Integer> eos = eos(vocabulary);
    refuseUnread();
    List<LayerDescription> layers = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      layers.addAll(blocks(attentions.get(i), networks.get(i)));
    }
    return new ModelDescription(
        family.modelType(),
        vocabulary,
        hidden,
        (float) eps,
        reach(context, attentions),
        wrapper.map(outer -> outer.keys.flag("tie_word_embeddings", tied)).orElse(tied),
        embedScale,
        residualScale,
        outputScale,
        layers,
        bos,
        eos,
        wrapper
            .map(outer -> family.names().prefixed(outer.family.wraps().path("names").asText()))
            .orElse(family.names())
            .quantized(quantization));
  }

  /** The blocks of one layer of the file. */
  private List<LayerDescription> blocks(
      AttentionDescription attention, FfnReader.Networks networks) {
    FfnDescription dense = networks.dense();
    return switch (family.topology()) {
      case PLAIN ->
          List.of(
              new LayerDescription(
                  attention, networks.mixture().map(m -> (FfnDescription) m).orElse(dense)));
      case DUAL_SHORTCUT ->
          List.of(
              new LayerDescription(attention, dense, networks.mixture()),
              new LayerDescription(attention, dense));
    };
  }

  /**
   * The factor at the key that the family calls {@code name}, over {@code divisor}; or 1, also
   * where the key holds null.
   */
  private double scale(String name, double divisor) {
    String key = family.scales().path(name).asText();
    return key.isEmpty() || keys.isNull(key)
        ? 1
        : keys.number(key, x -> x > 0, "a positive number") / divisor;
  }

  /** Dynamic scaling exists to go beyond the positions that it scales from. */
  private static int reach(int context, List<AttentionDescription> attentions) {
    for (AttentionDescription attention : attentions) {
      if (attention.rotation().map(RopeEncoding::scaling).orElse(null)
          instanceof RopeScaling.DynamicNtk dynamic) {
        return (int) Math.clamp(Math.floor(context * dynamic.factor()), context, Integer.MAX_VALUE);
      }
    }
    return context;
  }

  private void refuseUnsupported() {
    for (Map.Entry<String, JsonNode> entry : family.values().properties()) {
      keys.require(entry.getKey(), entry.getValue());
    }
    if (keys.has("use_sliding_window") || keys.has("layer_types")) {
      // No layer has a window, as long as it may be.
      keys.has("sliding_window");
      keys.has("max_window_layers");
    }
  }

  /** Of the model, or of the larger one that it is a part of. */
  private Quantization quantization() {
    Quantization own = Quantization.read(keys);
    Quantization outer =
        wrapper.map(around -> Quantization.read(around.keys)).orElse(Quantization.NONE);
    return own.equals(Quantization.NONE) ? outer : own;
  }

  private void refuseUnread() {
    for (String key : keys.unread()) {
      if (ForwardPassKeys.mayChangeForwardPass(key)) {
        throw keys.error(
            key,
            "is "
                + keys.show(key)
                + ", but is not supported in a model of type "
                + family.modelType()
                + " and may change what it computes");
      }
    }
  }

  private OptionalInt bos(int vocabulary) {
    List<Integer> bos = ids("bos_token_id", vocabulary);
    return bos.isEmpty() ? OptionalInt.empty() : OptionalInt.of(bos.getFirst());
  }

  /** Those of the larger model count where the model's own part is silent. */
  private List<Integer> ids(String key, int vocabulary) {
    return wrapper
        .map(Wrapper::keys)
        .filter(outer -> outer.has(key) && !keys.has(key))
        .orElse(keys)
        .ids(key, vocabulary);
  }

  private List<Integer> eos(int vocabulary) {
    TreeSet<Integer> eos = new TreeSet<>(ids("eos_token_id", vocabulary));
    Path generation = file.resolveSibling("generation_config.json");
    if (file.endsWith(CONFIG) && Files.exists(generation)) {
      ConfigKeys more = new ConfigKeys(generation, "", Json.readObject(generation, MAX_BYTES));
      eos.addAll(more.ids("eos_token_id", vocabulary));
    }
    return List.copyOf(eos);
  }
}

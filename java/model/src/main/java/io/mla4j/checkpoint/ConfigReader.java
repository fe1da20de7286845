package io.mla4j.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import io.mla4j.ops.StorageFormat;
import io.mla4j.position.RopeScaling;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.TreeSet;

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
  private static final long MAX_BYTES = 10_000_000;
  private static final int MAX_LAYERS = 4096;
  private static final int MAX_VOCABULARY = 1 << 24;

  private final Path file;
  private final ConfigKeys keys;
  private final Family family;

  private ConfigReader(Path file, ConfigKeys keys, Family family) {
    this.file = file;
    this.keys = keys;
    this.family = family;
  }

  /**
   * Reads the configuration of the model in {@code directory}.
   *
   * @throws CheckpointException naming the file and the key that is malformed, out of range, or not
   *     supported
   */
  public static ModelDescription read(Path directory) {
    Path file = directory.resolve("config.json");
    JsonNode object = Json.readObject(file, MAX_BYTES);
    ConfigKeys start = new ConfigKeys(file, "", object);
    String key = "model_type";
    String modelType =
        start
            .text(key)
            .orElseThrow(() -> start.error(key, "is missing; supported are " + Family.supported()));
    Family family =
        Family.named(modelType)
            .orElseThrow(
                () ->
                    start.error(
                        key,
                        "is "
                            + Quote.name(modelType)
                            + ", which is not supported; supported are "
                            + Family.supported()));
    ConfigKeys keys = new ConfigKeys(file, object, family);
    keys.has(key);
    return new ConfigReader(file, keys, family).read();
  }

  private ModelDescription read() {
    refuseUnsupported();
    int vocabulary = keys.wholeNumber("vocab_size", 1, MAX_VOCABULARY);
    int hidden = keys.wholeNumber("hidden_size", 1, MAX_WIDTH);
    double eps =
        keys.number("rms_norm_eps", x -> x > 0 && x <= 1, "a number above 0 and at most 1");
    int context = keys.wholeNumber("max_position_embeddings", 1, Integer.MAX_VALUE);
    AttentionDescription.Mla attention = AttentionReader.read(keys, family, context);
    List<FfnDescription> networks =
        FfnReader.read(keys, family, keys.wholeNumber("num_hidden_layers", 1, MAX_LAYERS));
    boolean tied = keys.flag("tie_word_embeddings", false);
    OptionalInt bos = bos(vocabulary);
    List<Integer> eos = eos(vocabulary);
    refuseUnread();
    List<LayerDescription> layers = new ArrayList<>();
    networks.forEach(ffn -> layers.add(new LayerDescription(attention, ffn)));
    return new ModelDescription(
        family.modelType(),
        vocabulary,
        hidden,
        (float) eps,
        reach(context, attention.rope().scaling()),
        tied,
        1,
        1,
        layers,
        bos,
        eos,
        family.names());
  }

  /** Dynamic scaling exists to go beyond the positions that it scales from. */
  private static int reach(int context, RopeScaling scaling) {
    return scaling instanceof RopeScaling.DynamicNtk dynamic
        ? (int) Math.clamp(Math.floor(context * dynamic.factor()), context, Integer.MAX_VALUE)
        : context;
  }

  private void refuseUnsupported() {
    keys.object("quantization_config")
        .ifPresent(
            quantization -> {
              throw keys.error(
                  "quantization_config",
                  "asks for "
                      + quantization.text("quant_method").map(Quote::name).orElse("quantised")
                      + " weights, which are not supported; supported are "
                      + StorageFormat.weightNames()
                      + "; where a conversion has made the weights such and left the key behind,"
                      + " remove it");
            });
    for (Map.Entry<String, JsonNode> entry : family.values().properties()) {
      keys.require(entry.getKey(), entry.getValue());
    }
    if (keys.has("use_sliding_window") || keys.has("layer_types")) {
      // No layer has a window, as long as it may be.
      keys.has("sliding_window");
      keys.has("max_window_layers");
    }
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
    List<Integer> bos = keys.ids("bos_token_id", vocabulary);
    return bos.isEmpty() ? OptionalInt.empty() : OptionalInt.of(bos.getFirst());
  }

  private List<Integer> eos(int vocabulary) {
    TreeSet<Integer> eos = new TreeSet<>(keys.ids("eos_token_id", vocabulary));
    Path generation = file.resolveSibling("generation_config.json");
    if (Files.exists(generation)) {
      ConfigKeys more = new ConfigKeys(generation, "", Json.readObject(generation, MAX_BYTES));
      eos.addAll(more.ids("eos_token_id", vocabulary));
    }
    return List.copyOf(eos);
  }
}

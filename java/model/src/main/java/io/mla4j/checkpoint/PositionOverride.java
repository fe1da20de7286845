package io.mla4j.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.mla4j.InvalidArgumentException;
import io.mla4j.checkpoint.AttentionDescription.Mla;
import io.mla4j.position.AlibiSlopes;
import io.mla4j.position.RopeEncoding;
import io.mla4j.position.RopeScaling;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Another way to tell positions than a model's configuration says, to see what becomes of the
 * model:
 *
 * <dl>
 *   <dt>{@code none}
 *   <dd>the frequencies of theta as they are
 *   <dt>{@code linear:F}, {@code ntk:F}, {@code dynamic:F}
 *   <dd>stretched F times, see {@link RopeScaling}
 *   <dt>{@code yarn:F,L0}
 *   <dd>YaRN over an original context of L0. Latent attention's scores get YaRN's temperature as
 *       DeepSeek writes it: {@code mscale} and {@code mscale_all_dim} of the configuration, or 1
 *   <dt>{@code longrope:FILE}
 *   <dd>a JSON object with {@code short_factor} and {@code long_factor}, and what else a
 *       configuration has beside them
 *   <dt>{@link #alibi}
 *   <dd>linear biases with the paper's slopes, and no rotation: what a model does that was not
 *       trained with them
 * </dl>
 *
 * <p>Theta stays, and so does a family's factor on queries. Texts may become eight times as long as
 * the model's context, or as long as it is stretched.
 */
public final class PositionOverride {
  private static final String FORMS =
      "none, linear:F, ntk:F, dynamic:F, yarn:F,L0 or longrope:FILE";
  private static final String TABLE = "rope_frequencies";
  private static final int LEAST_REACH = 8;
  private static final long MAX_BYTES = 1_000_000;

  private final String text;
  private final ObjectNode scaling;
  private final boolean alibi;
  private final double factor;

  private PositionOverride(String text, ObjectNode scaling, boolean alibi, double factor) {
    this.text = text;
    this.scaling = scaling;
    this.alibi = alibi;
    this.factor = factor;
  }

  /** Linear biases in place of the rotation. */
  public static PositionOverride alibi() {
    return new PositionOverride("alibi", object("default"), true, 1);
  }

  /**
   * A scaling of the rotation.
   *
   * @param text one of the forms above
   * @throws InvalidArgumentException where it is none of them
   * @throws CheckpointException where the file of {@code longrope} cannot be read
   */
  public static PositionOverride rope(String text) {
    String[] parts = text.split(":", 2);
    String argument = parts.length == 2 ? parts[1] : "";
    return switch (parts[0]) {
      case "none" -> {
        require(text, parts.length == 1);
        yield new PositionOverride(text, object("default"), false, 1);
      }
      case "linear", "ntk", "dynamic" -> {
        double factor = number(text, argument);
        yield new PositionOverride(text, object(parts[0]).put("factor", factor), false, factor);
      }
      case "yarn" -> {
        String[] numbers = argument.split(",", -1);
        require(text, numbers.length == 2);
        double factor = number(text, numbers[0]);
        double original = number(text, numbers[1]);
        require(text, original >= 1 && original <= 1 << 30 && original == Math.rint(original));
        ObjectNode object = object("yarn").put("factor", factor);
        yield new PositionOverride(
            text, object.put("original_max_position_embeddings", (int) original), false, factor);
      }
      case "longrope" -> {
        require(text, !argument.isEmpty());
        ObjectNode object = object("longrope");
        object.setAll(Json.readObject(Path.of(argument), MAX_BYTES));
        yield new PositionOverride(text, object, false, object.path("factor").asDouble(1));
      }
      default -> throw malformed(text);
    };
  }

  private static ObjectNode object(String type) {
    return JsonNodeFactory.instance.objectNode().put("rope_type", type);
  }

  private static double number(String text, String argument) {
    try {
      double number = Double.parseDouble(argument);
      require(text, number > 0 && number <= 1 << 30);
      return number;
    } catch (NumberFormatException e) {
      throw malformed(text);
    }
  }

  private static void require(String text, boolean holds) {
    if (!holds) {
      throw malformed(text);
    }
  }

  private static InvalidArgumentException malformed(String text) {
    return new InvalidArgumentException(
        "the scaling of positions is " + Quote.name(text) + ", but must be " + FORMS);
  }

  /** The configuration says this from now on. */
  void change(ObjectNode config, Family family, Path file) {
    if (config.hasNonNull(TABLE)) {
      throw new CheckpointException(
          file + ": " + TABLE + " is a table, which cannot be overridden by " + this);
    }
    JsonNode old = config.path("rope_scaling");
    for (JsonNode other :
        List.of(
            config.path("rope_parameters"),
            family.defaults().path("rope_scaling"),
            family.defaults().path("rope_parameters"))) {
      old = old.isEmpty() ? other : old;
    }
    ObjectNode next = scaling.deepCopy();
    for (Map.Entry<String, JsonNode> entry : old.properties()) {
      if (!RopeReader.SCALING.contains(entry.getKey())) {
        next.set(entry.getKey(), entry.getValue());
      }
    }
    if (next.path("rope_type").asText().equals("yarn") && !family.attention().has("grouped")) {
      next.put("mscale", old.path("mscale").asDouble(1));
      next.put("mscale_all_dim", old.path("mscale_all_dim").asDouble(1));
    }
    config.remove(List.of("rope_scaling", "original_max_position_embeddings"));
    config.set("rope_parameters", next);
  }

  /** The model of the changed configuration. */
  ModelDescription on(ModelDescription model, Path file) {
    List<LayerDescription> layers = new ArrayList<>();
    for (LayerDescription layer : model.layers()) {
      if (layer.attention().rotation().stream().anyMatch(rope -> rope.width() == 0) && !alibi) {
        throw new CheckpointException(file + ": nothing is rotated, so " + this + " says nothing");
      }
      layers.add(alibi ? withBiases(layer, file) : layer);
    }
    long reach = (long) (configured(model) * Math.max(LEAST_REACH, Math.ceil(factor)));
    return model.with(layers, (int) Math.min(reach, Integer.MAX_VALUE));
  }

  /** The context of the configuration, which that of a model with dynamic scaling goes beyond. */
  private static int configured(ModelDescription model) {
    return model.layers().stream()
        .flatMap(layer -> layer.attention().rotation().stream())
        .map(rope -> rope.scaling() instanceof RopeScaling.DynamicNtk ntk ? ntk.maxPositions() : 0)
        .filter(positions -> positions > 0)
        .findFirst()
        .orElse(model.context());
  }

  private LayerDescription withBiases(LayerDescription layer, Path file) {
    if (!(layer.attention() instanceof Mla mla) || mla.indexer().isPresent()) {
      throw new CheckpointException(
          file + ": linear biases are for latent attention to all tokens, which a layer has not");
    }
    List<Float> slopes = new ArrayList<>();
    for (float slope : AlibiSlopes.of(mla.shape().heads())) {
      slopes.add(slope);
    }
    RopeEncoding rope =
        new RopeEncoding(
            mla.rope().width(),
            mla.rope().theta(),
            mla.rope().layout(),
            new RopeScaling.NoRotation());
    return new LayerDescription(
        mla.with(rope, slopes, mla.scoreScale()), layer.ffn(), layer.shortcut());
  }

  /** As it was given, for one line: {@code rope scaling yarn:4,512}. */
  @Override
  public String toString() {
    return alibi ? text : "rope scaling " + text;
  }
}

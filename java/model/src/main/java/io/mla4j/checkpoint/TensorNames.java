package io.mla4j.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;

/**
 * Where a family's tensors lie, and which ones say nothing.
 *
 * @param places of each role that the family has, the usual one first
 * @param predictor places in a layer behind the last, which predicts a token further, of the roles
 *     that it has alone or elsewhere than other layers; none where the family has no such layer
 * @param layer how the names of a layer's tensors begin
 * @param ignored how the names of tensors end that old checkpoints carry and that the configuration
 *     says better
 * @param blocks how many blocks of a model a layer of the file holds
 * @param quantization what the configuration says about scales
 */
public record TensorNames(
    Map<TensorRole, List<TensorPlace>> places,
    Map<TensorRole, List<TensorPlace>> predictor,
    String layer,
    List<String> ignored,
    int blocks,
    Quantization quantization) {
  static final String LAYER = "{l}";

  /** Keeps its own copies, with {@code {layer}} written out. */
  public TensorNames {
    places = changed(places, name -> name.replace("{layer}", layer));
    predictor = changed(predictor, name -> name.replace("{layer}", layer));
    ignored = List.copyOf(ignored);
  }

  /** What the file of a folder says under {@code tensors}. */
  static TensorNames read(DataFolder folder, String file, JsonNode tensors, int blocks) {
    return new TensorNames(
        places(folder, file, tensors.path("names")),
        places(folder, file, tensors.path("predictor")),
        tensors.path("layer").asText(),
        tensors.path("ignored").valueStream().map(JsonNode::asText).toList(),
        blocks,
        Quantization.NONE);
  }

  private static Map<TensorRole, List<TensorPlace>> places(
      DataFolder folder, String file, JsonNode names) {
    Map<TensorRole, List<TensorPlace>> places = new EnumMap<>(TensorRole.class);
    for (Map.Entry<String, JsonNode> entry : names.properties()) {
      TensorRole role =
          TensorRole.named(entry.getKey())
              .orElseThrow(
                  () ->
                      folder.error(
                          file,
                          "names a tensor " + Quote.name(entry.getKey()) + ", which is no role"));
      try {
        places.put(role, TensorPlace.read(entry.getValue()));
      } catch (IllegalArgumentException e) {
        throw folder.error(file, "has a tensor " + e.getMessage() + ", which is no place");
      }
    }
    return places;
  }

  /** Checks that the file says how the names of a layer begin. */
  static void requireLayer(DataFolder folder, String file, JsonNode tensors) {
    if (!tensors.path("layer").asText().contains(LAYER)) {
      throw folder.error(file, "has no tensors.layer with {l} for the layer's number");
    }
  }

  private static Map<TensorRole, List<TensorPlace>> changed(
      Map<TensorRole, List<TensorPlace>> places, UnaryOperator<String> change) {
    Map<TensorRole, List<TensorPlace>> own = new EnumMap<>(TensorRole.class);
    places.forEach(
        (role, list) -> own.put(role, list.stream().map(place -> place.renamed(change)).toList()));
    return Collections.unmodifiableMap(own);
  }

  /**
   * The names in the family called {@code modelType}.
   *
   * @throws CheckpointException where there is no such family
   */
  public static TensorNames of(String modelType) {
    return Family.named(modelType)
        .orElseThrow(() -> new CheckpointException("there is no family " + Quote.name(modelType)))
        .names();
  }

  /** These names with {@code prefix} before each. */
  TensorNames prefixed(String prefix) {
    return new TensorNames(
        changed(places, name -> prefix + name),
        changed(predictor, name -> prefix + name),
        prefix + layer,
        ignored,
        blocks,
        quantization);
  }

  /** The same names of weights with such scales. */
  TensorNames quantized(Quantization as) {
    return new TensorNames(places, predictor, layer, ignored, blocks, as);
  }

  /** The names of layer {@code l} of the file as those of a model of this layer alone. */
  TensorNames ofPredictor(int l) {
    Map<TensorRole, List<TensorPlace>> all = new EnumMap<>(TensorRole.class);
    all.putAll(places);
    all.putAll(predictor);
    UnaryOperator<String> numbered = name -> name.replace(LAYER, Integer.toString(l));
    return new TensorNames(
        changed(all, numbered), Map.of(), numbered.apply(layer), ignored, 1, quantization);
  }

  /** The layer of the file that holds block {@code i}. */
  int layerOf(int i) {
    return i / blocks;
  }

  /**
   * The usual name of a tensor of block {@code layer}; layer and expert are ignored where the
   * template has no place for them.
   */
  public String name(TensorRole role, int layer, int expert) {
    return name(Objects.requireNonNull(places.get(role), role::name).getFirst(), layer, expert);
  }

  /** The same at one of the places of a role. */
  String name(TensorPlace place, int layer, int expert) {
    return place.name(layerOf(layer), layer % blocks, expert);
  }

  /** The places of {@code role}, the usual one first. */
  List<TensorPlace> of(TensorRole role) {
    return places.getOrDefault(role, List.of());
  }

  /** What matches the names of layers' tensors; its first group is the layer's number. */
  Pattern layerPattern() {
    int at = layer.indexOf(LAYER);
    return Pattern.compile(
        Pattern.quote(layer.substring(0, at))
            + "(\\d{1,9})"
            + Pattern.quote(layer.substring(at + LAYER.length()))
            + ".*",
        Pattern.DOTALL);
  }

  /** Whether {@code name} is one of those that say nothing. */
  boolean ignores(String name) {
    return ignored.stream().anyMatch(name::endsWith);
  }
}

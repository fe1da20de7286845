package io.mla4j.checkpoint;

import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * The names of a family's tensors: a template for each role, in which {@code {layer}} stands for
 * how a layer's names begin, {@code {l}} for its number and {@code {e}} for that of an expert.
 *
 * @param templates a template for each role that the family has
 * @param layer how the names of a layer's tensors begin
 * @param ignored how the names of tensors end that old checkpoints carry and that the configuration
 *     says better
 */
public record TensorNames(Map<TensorRole, String> templates, String layer, List<String> ignored) {
  static final String LAYER = "{l}";
  private static final String EXPERT = "{e}";

  /** Keeps its own copies, with {@code {layer}} written out. */
  public TensorNames {
    templates = new EnumMap<>(templates);
    templates.replaceAll((_, template) -> template.replace("{layer}", layer));
    templates = Collections.unmodifiableMap(templates);
    ignored = List.copyOf(ignored);
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

  /**
   * The name of a tensor; layer and expert are ignored where the template has no place for them.
   */
  public String name(TensorRole role, int layer, int expert) {
    return templates
        .get(role)
        .replace(LAYER, Integer.toString(layer))
        .replace(EXPERT, Integer.toString(expert));
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

package io.mla4j.checkpoint;

import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * The names of a family's tensors: a template for each role, in which {@code {layer}} stands for
 * how a layer's names begin, {@code {l}} for its number, {@code {b}} for the number of a block
 * inside of it, and {@code {e}} for that of an expert.
 *
 * @param templates a template for each role that the family has
 * @param layer how the names of a layer's tensors begin
 * @param ignored how the names of tensors end that old checkpoints carry and that the configuration
 *     says better
 * @param blocks how many blocks of a model a layer of the file holds
 */
public record TensorNames(
    Map<TensorRole, String> templates, String layer, List<String> ignored, int blocks) {
  static final String LAYER = "{l}";
  private static final String BLOCK = "{b}";
  private static final String EXPERT = "{e}";

  /** Keeps its own copies, with {@code {layer}} written out. */
  public TensorNames {
    Map<TensorRole, String> own = new EnumMap<>(TensorRole.class);
    templates.forEach((role, template) -> own.put(role, template.replace("{layer}", layer)));
    templates = Collections.unmodifiableMap(own);
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

  /** These names with {@code prefix} before each. */
  TensorNames prefixed(String prefix) {
    Map<TensorRole, String> names = new EnumMap<>(templates);
    names.replaceAll((_, template) -> prefix + template);
    return new TensorNames(names, prefix + layer, ignored, blocks);
  }

  /** The layer of the file that holds block {@code i}. */
  int layerOf(int i) {
    return i / blocks;
  }

  /**
   * The name of a tensor of block {@code layer}; layer and expert are ignored where the template
   * has no place for them.
   */
  public String name(TensorRole role, int layer, int expert) {
    return templates
        .get(role)
        .replace(LAYER, Integer.toString(layerOf(layer)))
        .replace(BLOCK, Integer.toString(layer % blocks))
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

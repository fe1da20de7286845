package io.mla4j.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;

/**
 * Where the tensors of a role lie: a name in which {@code {layer}} stands for how a layer's names
 * begin, {@code {l}} for its number, {@code {b}} for that of a block inside of it and {@code {e}}
 * for that of an expert; and whether the tensor of that name is the one that is meant or holds it.
 *
 * <p>In a family's file it is the name alone, or an object: {@code {"name": .., "stacked": true,
 * "folded": false, "part": 0, "of": 2}}.
 *
 * @param name the template
 * @param stacked whether it is one tensor of a further dimension, an entry for each expert
 * @param folded whether the file has the rows as two dimensions, heads and the rows of a head
 * @param part which of the equal parts into which the rows are cut
 * @param parts the number of these parts, 1 where the rows are all meant
 */
public record TensorPlace(String name, boolean stacked, boolean folded, int part, int parts) {
  private static final String BLOCK = "{b}";
  private static final String EXPERT = "{e}";

  /**
   * What a family's file says about a role: a place, or a list of places of which the first that
   * exists is meant.
   *
   * @throws IllegalArgumentException where it says something else
   */
  static List<TensorPlace> read(JsonNode node) {
    return node.isArray()
        ? node.valueStream().map(TensorPlace::readOne).toList()
        : List.of(readOne(node));
  }

  private static TensorPlace readOne(JsonNode node) {
    if (node.isTextual()) {
      return new TensorPlace(node.textValue(), false, false, 0, 1);
    }
    int parts = node.path("of").asInt(1);
    TensorPlace place =
        new TensorPlace(
            node.path("name").asText(),
            node.path("stacked").asBoolean(),
            node.path("folded").asBoolean(),
            node.path("part").asInt(),
            parts);
    if (place.name.isEmpty() || place.part < 0 || place.part >= parts) {
      throw new IllegalArgumentException(Quote.line(node.toString()));
    }
    return place;
  }

  /** The same place under another name. */
  TensorPlace renamed(UnaryOperator<String> change) {
    return new TensorPlace(change.apply(name), stacked, folded, part, parts);
  }

  /** The name of the tensor for a layer, a block inside of it and an expert. */
  String name(int layer, int block, int expert) {
    return name.replace(TensorNames.LAYER, Integer.toString(layer))
        .replace(BLOCK, Integer.toString(block))
        .replace(EXPERT, Integer.toString(expert));
  }

  /**
   * The tensor that is meant: {@code stored} itself, or the part of it that lies here.
   *
   * @param count of the experts
   * @param shape that the tensor which is meant must have
   * @throws CheckpointException where {@code stored} has another shape
   */
  StoredTensor in(StoredTensor stored, int expert, int count, List<Long> shape) {
    List<Long> whole = new ArrayList<>(shape);
    whole.set(0, Math.multiplyExact(shape.getFirst(), (long) parts));
    if (stacked) {
      whole.addFirst((long) count);
    }
    if (!withoutOnes(shape(stored)).equals(withoutOnes(whole))) {
      throw stored.error(
          "has shape " + stored.shape() + ", but the configuration asks for " + whole);
    }
    if (!stacked && parts == 1) {
      return stored.shape().equals(shape) ? stored : stored.slice(stored.name(), 0, shape);
    }
    long number = (stacked ? (long) expert * parts : 0) + part;
    String label = stacked ? stored.name() + "[" + expert + "]" : stored.name();
    return stored.slice(label, number, shape);
  }

  private List<Long> shape(StoredTensor stored) {
    List<Long> shape = stored.shape();
    if (!folded || shape.size() < 3) {
      return shape;
    }
    List<Long> rows = new ArrayList<>(shape.subList(1, shape.size()));
    rows.set(0, Math.multiplyExact(shape.get(0), shape.get(1)));
    return rows;
  }

  /** Dimensions of 1 say nothing: convolutions are stored as (channels, 1, taps). */
  private static List<Long> withoutOnes(List<Long> shape) {
    return shape.stream().filter(dimension -> dimension != 1).toList();
  }
}

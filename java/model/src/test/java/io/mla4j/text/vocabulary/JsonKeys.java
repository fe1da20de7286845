package io.mla4j.text.vocabulary;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/** The metadata of a GGUF as a JSON object. */
public record JsonKeys(String file, ObjectNode object) implements GgufKeys {
  @Override
  public Optional<String> text(String key) {
    return Optional.ofNullable(object.path(key).textValue());
  }

  @Override
  public Optional<List<String>> texts(String key) {
    return list(key)
        .map(
            list -> {
              List<String> texts = new ArrayList<>();
              list.forEach(entry -> texts.add(entry.textValue()));
              return texts;
            });
  }

  @Override
  public OptionalInt id(String key) {
    return object.path(key).isInt()
        ? OptionalInt.of(object.get(key).intValue())
        : OptionalInt.empty();
  }

  @Override
  public Optional<Boolean> flag(String key) {
    return object.has(key) ? Optional.of(object.get(key).booleanValue()) : Optional.empty();
  }

  @Override
  public Optional<int[]> integers(String key) {
    return list(key)
        .map(
            list -> {
              int[] numbers = new int[list.size()];
              for (int i = 0; i < numbers.length; i++) {
                numbers[i] = list.get(i).intValue();
              }
              return numbers;
            });
  }

  @Override
  public Optional<float[]> floats(String key) {
    return list(key)
        .map(
            list -> {
              float[] numbers = new float[list.size()];
              for (int i = 0; i < numbers.length; i++) {
                numbers[i] = list.get(i).floatValue();
              }
              return numbers;
            });
  }

  private Optional<JsonNode> list(String key) {
    return object.path(key).isArray() ? Optional.of(object.get(key)) : Optional.empty();
  }
}

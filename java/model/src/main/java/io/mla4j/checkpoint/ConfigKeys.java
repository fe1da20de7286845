package io.mla4j.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.Predicate;

/**
 * The keys of one JSON object of a configuration, read with type and range, and remembered, so that
 * those that nobody read can be judged. A key that holds null counts as absent, except for {@link
 * #isNull}.
 */
final class ConfigKeys {
  private final Path file;
  private final String prefix;
  private final JsonNode object;
  private final Set<String> read = new HashSet<>();

  ConfigKeys(Path file, String prefix, JsonNode object) {
    this.file = file;
    this.prefix = prefix;
    this.object = object;
  }

  /** An exception that names the file and the key: {@code what} completes the sentence. */
  CheckpointException error(String key, String what) {
    return new CheckpointException(file + ": " + Quote.line(prefix + key) + " " + what);
  }

  boolean has(String key) {
    read.add(key);
    return object.hasNonNull(key);
  }

  /**
   * Whether the key is there and holds null, which is not the same as absent where the default is a
   * number.
   */
  boolean isNull(String key) {
    read.add(key);
    return object.has(key) && object.get(key).isNull();
  }

  int wholeNumber(String key, int absent, int low, int high) {
    return wholeNumber(key, low, high).orElse(absent);
  }

  OptionalInt wholeNumber(String key, int low, int high) {
    return has(key)
        ? OptionalInt.of(wholeNumber(key, object.get(key), low, high))
        : OptionalInt.empty();
  }

  /** A list of whole numbers, or a single one. */
  List<Integer> wholeNumbers(String key, int low, int high) {
    List<Integer> numbers = new ArrayList<>();
    if (has(key)) {
      JsonNode node = object.get(key);
      if (node.isArray()) {
        for (JsonNode element : node) {
          numbers.add(wholeNumber(key, element, low, high));
        }
      } else {
        numbers.add(wholeNumber(key, node, low, high));
      }
    }
    return numbers;
  }

  private int wholeNumber(String key, JsonNode node, int low, int high) {
    // 4.0 is whole; 4.5, NaN, texts and numbers beyond int are not
    boolean fits =
        node.isNumber()
            && (node.isIntegralNumber()
                ? node.canConvertToInt()
                : node.doubleValue() == Math.rint(node.doubleValue())
                    && Math.abs(node.doubleValue()) <= Integer.MAX_VALUE);
    if (!fits || (int) node.doubleValue() < low || (int) node.doubleValue() > high) {
      throw error(key, "is " + show(node) + ", but must be a whole number in " + low + ".." + high);
    }
    return (int) node.doubleValue();
  }

  double number(String key, double absent, Predicate<Double> allowed, String what) {
    return has(key) ? number(key, object.get(key), allowed, what) : absent;
  }

  List<Double> numbers(String key, int count, Predicate<Double> allowed, String what) {
    if (!has(key) || !object.get(key).isArray() || object.get(key).size() != count) {
      throw error(key, "must be a list of " + count + " numbers");
    }
    List<Double> numbers = new ArrayList<>();
    for (JsonNode element : object.get(key)) {
      numbers.add(number(key, element, allowed, what));
    }
    return numbers;
  }

  private double number(String key, JsonNode node, Predicate<Double> allowed, String what) {
    if (!node.isNumber()
        || !Double.isFinite(node.doubleValue())
        || !allowed.test(node.doubleValue())) {
      throw error(key, "is " + show(node) + ", but must be " + what);
    }
    return node.doubleValue();
  }

  boolean flag(String key, boolean absent) {
    if (!has(key)) {
      return absent;
    }
    JsonNode node = object.get(key);
    if (!node.isBoolean()) {
      throw error(key, "is " + show(node) + ", but must be true or false");
    }
    return node.booleanValue();
  }

  Optional<String> text(String key) {
    if (!has(key)) {
      return Optional.empty();
    }
    JsonNode node = object.get(key);
    if (!node.isTextual()) {
      throw error(key, "is " + show(node) + ", but must be a text");
    }
    return Optional.of(node.textValue());
  }

  /**
   * A text that must be {@code only}, where it is there at all: other values ask for something
   * else.
   */
  void require(String key, String only) {
    text(key)
        .filter(text -> !text.equals(only))
        .ifPresent(
            text -> {
              throw error(
                  key,
                  "is " + Quote.name(text) + ", but only " + Quote.name(only) + " is supported");
            });
  }

  /** A flag that must be false, where it is there at all. */
  void requireOff(String key) {
    if (flag(key, false)) {
      throw error(key, "is true, but only false is supported");
    }
  }

  Optional<List<String>> texts(String key) {
    if (!has(key)) {
      return Optional.empty();
    }
    List<String> texts = new ArrayList<>();
    JsonNode node = object.get(key);
    for (JsonNode element : node) {
      if (element.isTextual()) {
        texts.add(element.textValue());
      }
    }
    if (!node.isArray() || texts.size() != node.size()) {
      throw error(key, "must be a list of texts");
    }
    return Optional.of(texts);
  }

  Optional<ConfigKeys> object(String key) {
    if (!has(key)) {
      return Optional.empty();
    }
    JsonNode node = object.get(key);
    if (!node.isObject()) {
      throw error(key, "is " + show(node) + ", but must be an object");
    }
    return Optional.of(new ConfigKeys(file, prefix + key + ".", node));
  }

  boolean isEmpty() {
    return object.isEmpty();
  }

  /** The keys that nobody asked for and that hold something. */
  List<String> unread() {
    List<String> unread = new ArrayList<>();
    object
        .fieldNames()
        .forEachRemaining(
            key -> {
              if (!read.contains(key) && object.hasNonNull(key)) {
                unread.add(key);
              }
            });
    return unread;
  }

  String show(String key) {
    return show(object.get(key));
  }

  private static String show(JsonNode node) {
    return Quote.line(node.toString());
  }
}

package io.mla4j.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The keys of one JSON object of a configuration, read with type and range, and remembered, so that
 * those that nobody read can be judged. What the object does not say, its family's defaults say. A
 * key that holds null counts as absent, but in {@link #isNull} and {@link #orNone}.
 */
final class ConfigKeys {
  private final Path file;
  private final String prefix;
  private final JsonNode object;
  private final JsonNode defaults;
  private final Map<String, List<String>> aliases;
  private final Map<String, String> titles;
  private final Set<String> read = new HashSet<>();

  /** A value and the key that it stands at, which may be another name of the one asked for. */
  private record Entry(String key, JsonNode value) {}

  /** An object that no family says anything about. */
  ConfigKeys(Path file, String prefix, JsonNode object) {
    this(file, prefix, object, object.path(""), Map.of(), Map.of());
  }

  /** The configuration of a model, whose keys begin with {@code prefix} in messages. */
  static ConfigKeys of(Path file, String prefix, JsonNode object, Family family) {
    return of(file, prefix, object, family, Map.of());
  }

  /** The same, where messages call some keys otherwise. */
  static ConfigKeys of(
      Path file, String prefix, JsonNode object, Family family, Map<String, String> titles) {
    return new ConfigKeys(file, prefix, object, family.defaults(), family.aliases(), titles);
  }

  private ConfigKeys(
      Path file,
      String prefix,
      JsonNode object,
      JsonNode defaults,
      Map<String, List<String>> aliases,
      Map<String, String> titles) {
    this.file = file;
    this.prefix = prefix;
    this.object = object;
    this.defaults = defaults;
    this.aliases = aliases;
    this.titles = titles;
  }

  /** An exception that names the file and the key: {@code what} completes the sentence. */
  CheckpointException error(String key, String what) {
    String title = titles.getOrDefault(prefix + key, prefix + key);
    return new CheckpointException(file + ": " + Quote.line(title) + " " + what);
  }

  /** Whether the object itself says something about the key. */
  boolean has(String key) {
    return own(key) != null;
  }

  /**
   * Whether the key is there and holds null, which is not the same as absent where the default is a
   * number.
   */
  boolean isNull(String key) {
    return own(key) == null
        && (holdsNull(key)
            || aliases.getOrDefault(key, List.of()).stream().anyMatch(this::holdsNull));
  }

  private boolean holdsNull(String key) {
    return object.has(key) && object.get(key).isNull();
  }

  /** What the object itself says, or null. */
  private @Nullable Entry own(String key) {
    read.add(key);
    Entry entry = object.hasNonNull(key) ? new Entry(key, object.get(key)) : null;
    for (String alias : aliases.getOrDefault(key, List.of())) {
      read.add(alias);
      if (!object.hasNonNull(alias)) {
        continue;
      }
      Entry other = new Entry(alias, object.get(alias));
      if (entry != null && !same(entry.value, other.value)) {
        throw error(alias, "is " + show(other.value) + ", but " + key + " is " + show(entry.value));
      }
      entry = other;
    }
    return entry;
  }

  static boolean same(JsonNode a, JsonNode b) {
    return a.isNumber() && b.isNumber() ? a.doubleValue() == b.doubleValue() : a.equals(b);
  }

  /** What the object or the family says, or null. */
  private @Nullable Entry entry(String key) {
    Entry own = own(key);
    return own == null && defaults.hasNonNull(key) ? new Entry(key, defaults.get(key)) : own;
  }

  private Entry required(String key) {
    Entry entry = entry(key);
    if (entry == null) {
      throw error(key, "is missing");
    }
    return entry;
  }

  /** A whole number that must be there. */
  int wholeNumber(String key, int low, int high) {
    return wholeNumber(required(key), low, high);
  }

  int wholeNumber(String key, int absent, int low, int high) {
    Entry entry = entry(key);
    return entry == null ? absent : wholeNumber(entry, low, high);
  }

  /** A whole number that the object may be without, by null or where there is no default. */
  OptionalInt orNone(String key, int low, int high) {
    Entry entry = isNull(key) ? null : entry(key);
    return entry == null ? OptionalInt.empty() : OptionalInt.of(wholeNumber(entry, low, high));
  }

  /**
   * The ids that a key names, a list or a single one. One that is not in the vocabulary, such as
   * -1, names none; null is an empty list.
   */
  List<Integer> ids(String key, int vocabulary) {
    Entry entry = isNull(key) ? null : entry(key);
    if (entry == null) {
      return List.of();
    }
    return elements(entry.value).stream()
        .map(e -> wholeNumber(new Entry(entry.key, e), Integer.MIN_VALUE, Integer.MAX_VALUE))
        .filter(id -> id >= 0 && id < vocabulary)
        .toList();
  }

  private static List<JsonNode> elements(JsonNode node) {
    return node.isArray() ? node.valueStream().toList() : List.of(node);
  }

  private int wholeNumber(Entry entry, int low, int high) {
    JsonNode node = entry.value;
    // 4.0 is whole; 4.5, NaN, texts and numbers beyond int are not
    boolean fits =
        node.isNumber()
            && (node.isIntegralNumber()
                ? node.canConvertToInt()
                : node.doubleValue() == Math.rint(node.doubleValue())
                    && Math.abs(node.doubleValue()) <= Integer.MAX_VALUE);
    if (!fits || (int) node.doubleValue() < low || (int) node.doubleValue() > high) {
      throw error(
          entry.key, "is " + show(node) + ", but must be a whole number in " + low + ".." + high);
    }
    return (int) node.doubleValue();
  }

  /** A number that must be there. */
  double number(String key, Predicate<Double> allowed, String what) {
    return number(required(key), allowed, what);
  }

  double number(String key, double absent, Predicate<Double> allowed, String what) {
    Entry entry = entry(key);
    return entry == null ? absent : number(entry, allowed, what);
  }

  /** A number, or a list of numbers, that must be there. */
  List<Double> numbers(String key, Predicate<Double> allowed, String what) {
    Entry entry = required(key);
    return elements(entry.value).stream()
        .map(element -> number(new Entry(entry.key, element), allowed, what))
        .toList();
  }

  List<Double> numbers(String key, int count, Predicate<Double> allowed, String what) {
    Entry entry = entry(key);
    if (entry == null || !entry.value.isArray() || entry.value.size() != count) {
      throw error(key, "must be a list of " + count + " numbers");
    }
    return entry
        .value
        .valueStream()
        .map(element -> number(new Entry(entry.key, element), allowed, what))
        .toList();
  }

  /** Whether a key is there and holds lists. */
  boolean hasTable(String key) {
    Entry entry = entry(key);
    return entry != null && entry.value.isArray() && entry.value.path(0).isArray();
  }

  /** {@code rows} lists of {@code columns} numbers each, that must be there. */
  List<List<Double>> table(
      String key, int rows, int columns, Predicate<Double> allowed, String what) {
    Entry entry = required(key);
    boolean fits =
        entry.value.isArray()
            && entry.value.size() == rows
            && entry.value.valueStream().allMatch(row -> row.isArray() && row.size() == columns);
    if (!fits) {
      throw error(entry.key, "must be " + rows + " lists of " + columns + " numbers each");
    }
    return entry
        .value
        .valueStream()
        .map(
            row ->
                row.valueStream()
                    .map(element -> number(new Entry(entry.key, element), allowed, what))
                    .toList())
        .toList();
  }

  /** A list of whole numbers that must be there. */
  List<Integer> wholeNumbers(String key, int low, int high) {
    Entry entry = required(key);
    if (!entry.value.isArray()) {
      throw error(entry.key, "must be a list of whole numbers");
    }
    return entry
        .value
        .valueStream()
        .map(element -> wholeNumber(new Entry(entry.key, element), low, high))
        .toList();
  }

  private double number(Entry entry, Predicate<Double> allowed, String what) {
    double value = entry.value.doubleValue();
    if (!entry.value.isNumber() || !Double.isFinite(value) || !allowed.test(value)) {
      throw error(entry.key, "is " + show(entry.value) + ", but must be " + what);
    }
    return value;
  }

  boolean flag(String key, boolean absent) {
    Entry entry = entry(key);
    if (entry != null && !entry.value.isBoolean()) {
      throw error(entry.key, "is " + show(entry.value) + ", but must be true or false");
    }
    return entry == null ? absent : entry.value.booleanValue();
  }

  Optional<String> text(String key) {
    Entry entry = entry(key);
    if (entry != null && !entry.value.isTextual()) {
      throw error(entry.key, "is " + show(entry.value) + ", but must be a text");
    }
    return Optional.ofNullable(entry).map(e -> e.value.textValue());
  }

  Optional<List<String>> texts(String key) {
    Entry entry = entry(key);
    if (entry == null) {
      return Optional.empty();
    }
    if (!entry.value.isArray() || !entry.value.valueStream().allMatch(JsonNode::isTextual)) {
      throw error(entry.key, "must be a list of texts");
    }
    return Optional.of(entry.value.valueStream().map(JsonNode::textValue).toList());
  }

  /** A list of texts, or the letters of one. */
  Optional<List<String>> letters(String key) {
    Entry entry = entry(key);
    return entry != null && entry.value.isTextual()
        ? Optional.of(entry.value.textValue().chars().mapToObj(Character::toString).toList())
        : texts(key);
  }

  /**
   * Refuses another value than {@code values}, a list or the text {@code any}. A list has a value
   * of each of its elements.
   */
  void require(String key, JsonNode values) {
    Entry own = own(key);
    if (own != null
        && values.isArray()
        && !elements(own.value).stream()
            .allMatch(element -> values.valueStream().anyMatch(value -> same(element, value)))) {
      throw error(
          own.key,
          "is "
              + show(own.value)
              + ", but only "
              + values.valueStream().map(ConfigKeys::show).collect(Collectors.joining(" or "))
              + " is supported");
    }
  }

  /** The object that must stand at {@code key}. */
  JsonNode node(String key) {
    Entry entry = required(key);
    if (!entry.value.isObject()) {
      throw error(entry.key, "is " + show(entry.value) + ", but must be an object");
    }
    return entry.value;
  }

  Optional<ConfigKeys> object(String key) {
    Entry entry = entry(key);
    return entry == null
        ? Optional.empty()
        : Optional.of(
            new ConfigKeys(
                file, prefix + entry.key + ".", node(key), object.path(""), Map.of(), titles));
  }

  boolean isEmpty() {
    return object.isEmpty();
  }

  /** What stands at each key, or at the first of the names that a key may have. */
  Map<String, JsonNode> contents(Map<String, String> otherNames) {
    Map<String, JsonNode> contents = new TreeMap<>();
    for (Map.Entry<String, JsonNode> entry : object.properties()) {
      if (!entry.getValue().isNull()) {
        contents.put(otherNames.getOrDefault(entry.getKey(), entry.getKey()), entry.getValue());
      }
    }
    return contents;
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
    return node.isTextual() ? Quote.name(node.textValue()) : Quote.line(node.toString());
  }
}

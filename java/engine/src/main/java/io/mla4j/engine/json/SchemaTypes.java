package io.mla4j.engine.json;

import io.mla4j.InvalidArgumentException;
import io.mla4j.checkpoint.Quote;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What a schema says of types, single values, and ranges of whole numbers. */
final class SchemaTypes {
  /** Whole numbers without a bound: those that a long holds. */
  private static final BigInteger LEAST = BigInteger.valueOf(Long.MIN_VALUE);

  private static final BigInteger MOST = BigInteger.valueOf(Long.MAX_VALUE);

  /** What may come is found on the engine's thread, so that it is bounded: values of an enum. */
  private static final int MOST_VALUES = 1_000;

  /** And the characters of all of them. */
  private static final int MOST_CHARACTERS = 30_000;

  private final SchemaReader.SchemaWords words;

  SchemaTypes(SchemaReader.SchemaWords words) {
    this.words = words;
  }

  /** The types that a value may have; none where it may have any. */
  List<String> names() {
    Object stated = words.take("type");
    List<String> names = new ArrayList<>();
    switch (stated) {
      case null -> {
        if (words.has("properties")) {
          names.add("object");
        } else if (words.has("items")) {
          names.add("array");
        }
      }
      case String name -> names.add(name);
      case List<?> list when !list.isEmpty() -> {
        for (Object name : list) {
          names.add(String.valueOf(name));
        }
      }
      default -> throw error("type must be a name or a list of names");
    }
    if (names.contains("number")) {
      names.remove("integer");
    }
    return names.stream().distinct().toList();
  }

  /** The texts of {@code enum} and {@code const}, those of the type that is stated. */
  List<String> values() {
    List<Object> values = new ArrayList<>();
    if (words.has("enum")) {
      values.addAll(words.list("enum"));
    }
    if (words.has("const")) {
      Object single = words.take("const");
      if (words.has("enum")) {
        throw error("const is not supported beside enum");
      }
      values.add(single);
    }
    if (values.size() > MOST_VALUES) {
      throw error("enum has more than " + MOST_VALUES + " values");
    }
    List<String> types = names();
    List<String> texts = new ArrayList<>();
    for (Object value : values) {
      if (types.isEmpty() || types.stream().anyMatch(type -> isOf(type, value))) {
        requirePlain(value, words.path);
        texts.add(PlainJson.write(value));
      }
    }
    if (texts.isEmpty()) {
      throw error("enum has no value" + (types.isEmpty() ? "" : " of type " + types));
    }
    if (texts.stream().mapToInt(String::length).sum() > MOST_CHARACTERS) {
      throw error("enum has more than " + MOST_CHARACTERS + " characters");
    }
    return texts.stream().distinct().toList();
  }

  /** Refuses numbers that no double holds, and texts with half a character. */
  static void requirePlain(@Nullable Object value, String path) {
    switch (value) {
      case List<?> list -> list.forEach(item -> requirePlain(item, path));
      case Map<?, ?> map ->
          map.forEach(
              (key, item) -> {
                requirePlain(key, path);
                requirePlain(item, path);
              });
      case String text when text.codePoints().anyMatch(SchemaTypes::isSurrogate) ->
          throw new InvalidArgumentException(
              "the schema at " + Quote.line(path) + ": a text has half a surrogate pair");
      case Number number when !Double.isFinite(number.doubleValue()) ->
          throw new InvalidArgumentException(
              "the schema at " + Quote.line(path) + ": a number is too large for a double");
      case null, default -> {}
    }
  }

  private static boolean isSurrogate(int codePoint) {
    return codePoint >= Character.MIN_SURROGATE && codePoint <= Character.MAX_SURROGATE;
  }

  private static boolean isOf(String type, @Nullable Object value) {
    return switch (type) {
      case "object" -> value instanceof Map<?, ?>;
      case "array" -> value instanceof List<?>;
      case "string" -> value instanceof String;
      case "number" -> value instanceof Number;
      case "integer" ->
          value instanceof Number number && number.doubleValue() == Math.rint(number.doubleValue());
      case "boolean" -> value instanceof Boolean;
      case "null" -> value == null;
      default -> false;
    };
  }

  /** Whole numbers of the range that is stated. */
  IntegerRule integer() {
    BigInteger least = bound("minimum", RoundingMode.CEILING, 0);
    BigInteger above = bound("exclusiveMinimum", RoundingMode.FLOOR, 1);
    BigInteger most = bound("maximum", RoundingMode.FLOOR, 0);
    BigInteger below = bound("exclusiveMaximum", RoundingMode.CEILING, -1);
    BigInteger from = least == null ? LEAST : least;
    from = above == null ? from : from.max(above);
    BigInteger to = most == null ? MOST : most;
    to = below == null ? to : to.min(below);
    if (from.compareTo(to) > 0) {
      throw error("no whole number is in the range " + from + ".." + to);
    }
    return new IntegerRule(from, to);
  }

  /** Numbers of the range that is stated, or all. */
  Rule number() {
    BigDecimal least = decimal("minimum");
    BigDecimal above = decimal("exclusiveMinimum");
    BigDecimal most = decimal("maximum");
    BigDecimal below = decimal("exclusiveMaximum");
    if (least == null && above == null && most == null && below == null) {
      return new Rule.NumberRule();
    }
    boolean isAbove = above != null && (least == null || above.compareTo(least) >= 0);
    boolean isBelow = below != null && (most == null || below.compareTo(most) <= 0);
    DecimalRule rule =
        new DecimalRule(isAbove ? above : least, isAbove, isBelow ? below : most, isBelow);
    if (rule.isEmpty()) {
      throw error("no number of at most 15 digits is in the range");
    }
    return rule;
  }

  /** Null where it is not stated. */
  private @Nullable BigDecimal decimal(String word) {
    Object stated = words.take(word);
    if (stated == null) {
      return null;
    }
    if (stated instanceof Number number && Double.isFinite(number.doubleValue())) {
      BigDecimal decimal = new BigDecimal(number.toString());
      if (Math.abs(decimal.scale()) <= 400 && decimal.precision() <= 400) {
        return decimal;
      }
    }
    throw error(word + " must be a number");
  }

  private @Nullable BigInteger bound(String word, RoundingMode rounding, int more) {
    BigDecimal stated = decimal(word);
    if (stated == null) {
      return null;
    }
    BigInteger whole = stated.setScale(0, rounding).toBigIntegerExact();
    if (whole.bitLength() > 128) {
      throw error(word + " must be a number of at most 128 bits");
    }
    return whole.add(BigInteger.valueOf(more));
  }

  private InvalidArgumentException error(String problem) {
    return new InvalidArgumentException("the schema at " + Quote.line(words.path) + ": " + problem);
  }
}

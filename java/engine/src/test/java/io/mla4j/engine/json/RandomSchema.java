package io.mla4j.engine.json;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** Schemas of the kinds that are supported, and values that they allow. */
final class RandomSchema {
  private static final List<String> NAMES =
      List.of(
          "a", "ab", "abc", "name", "na\"me", "größe", "x\\y", "id", "line\nbreak", "𝄞", "items");

  private final Random random;

  RandomSchema(long seed) {
    random = new Random(seed);
  }

  /** One that may refer to itself. */
  Map<String, Object> schema() {
    Map<String, Object> root = object(3);
    Map<String, Object> node = map("type", "object");
    Map<String, Object> properties = new LinkedHashMap<>();
    properties.put("value", scalar());
    properties.put("next", map("$ref", "#/$defs/node"));
    properties.put("all", map("type", "array", "items", map("$ref", "#/$defs/node")));
    node.put("properties", properties);
    node.put("required", List.of("value"));
    node.put("additionalProperties", false);
    root.put("$defs", map("node", node, "other", scalar()));
    return root;
  }

  private static Map<String, Object> map(Object... pairs) {
    Map<String, Object> map = new LinkedHashMap<>();
    for (int i = 0; i < pairs.length; i += 2) {
      map.put((String) pairs[i], pairs[i + 1]);
    }
    return map;
  }

  private Map<String, Object> any(int depth) {
    if (depth == 0) {
      return scalar();
    }
    return switch (random.nextInt(8)) {
      case 0, 1 -> object(depth - 1);
      case 2 -> array(depth - 1);
      case 3 -> map("anyOf", List.of(any(depth - 1), any(depth - 1), scalar()));
      case 4 -> map("$ref", random.nextBoolean() ? "#/$defs/node" : "#/$defs/other");
      default -> scalar();
    };
  }

  private Map<String, Object> object(int depth) {
    Map<String, Object> properties = new LinkedHashMap<>();
    List<String> required = new ArrayList<>();
    for (int i = random.nextInt(5); i >= 0; i--) {
      String name = NAMES.get(random.nextInt(NAMES.size()));
      if (properties.put(name, any(depth)) == null && random.nextBoolean()) {
        required.add(name);
      }
    }
    Map<String, Object> object = map("type", "object", "properties", properties);
    if (random.nextBoolean()) {
      object.put("required", required);
    }
    switch (random.nextInt(4)) {
      case 0 -> object.put("additionalProperties", scalar());
      case 1 -> object.put("additionalProperties", true);
      default -> object.put("additionalProperties", false);
    }
    return object;
  }

  private Map<String, Object> array(int depth) {
    Map<String, Object> array = map("type", "array", "items", any(depth));
    int least = random.nextInt(3);
    if (random.nextBoolean()) {
      array.put("minItems", least);
    }
    if (random.nextBoolean()) {
      array.put("maxItems", least + random.nextInt(3));
    }
    return array;
  }

  private Map<String, Object> scalar() {
    return switch (random.nextInt(11)) {
      case 0 -> map("type", "string", "minLength", random.nextInt(4));
      case 1 -> map("type", "string", "maxLength", 1 + random.nextInt(5));
      case 2 -> map("type", "string", "enum", List.of("red", "re", "r\"ed", "ü", ""));
      case 3 -> map("enum", Arrays.asList(1, 12, "1", null, 2.5, List.of(1), map("k", 1)));
      case 4 -> map("const", "only");
      case 5 ->
          map(
              "type",
              "integer",
              "minimum",
              random.nextInt(40) - 20,
              "maximum",
              25 + random.nextInt(2000));
      case 6 -> map("type", "integer");
      case 7 -> random.nextBoolean() ? map("type", "number") : range();
      case 8 -> map("type", List.of("string", "null", "boolean"));
      case 9 -> map("type", "boolean", "description", "whether");
      default -> map("type", "string", "title", "free");
    };
  }

  private Map<String, Object> range() {
    double middle = random.nextInt(2000) / 100.0 - 10;
    return map(
        "type",
        "number",
        random.nextBoolean() ? "minimum" : "exclusiveMinimum",
        middle,
        random.nextBoolean() ? "maximum" : "exclusiveMaximum",
        middle + 0.01 * (1 + random.nextInt(500)));
  }

  /** A value that a schema allows. */
  Object value(Map<?, ?> schema, Map<?, ?> root, int depth) {
    if (schema.get("$ref") instanceof String ref) {
      Map<?, ?> definitions = (Map<?, ?>) root.get("$defs");
      return value(
          (Map<?, ?>) definitions.get(ref.substring("#/$defs/".length())), root, depth + 1);
    }
    if (schema.get("anyOf") instanceof List<?> list) {
      return value((Map<?, ?>) list.get(random.nextInt(list.size())), root, depth);
    }
    if (schema.get("enum") instanceof List<?> list) {
      return list.get(random.nextInt(list.size()));
    }
    if (schema.containsKey("const")) {
      return schema.get("const");
    }
    Object type = schema.get("type");
    if (type instanceof List<?> list) {
      type = list.get(random.nextInt(list.size()));
    }
    return switch ((String) type) {
      case "object" -> objectOf(schema, root, depth);
      case "array" -> arrayOf(schema, root, depth);
      case "string" -> text(number(schema, "minLength", 0), number(schema, "maxLength", 12));
      case "integer" ->
          schema.containsKey("minimum")
              ? (Object)
                  (long)
                      random.nextInt(number(schema, "minimum", 0), 1 + number(schema, "maximum", 0))
              : random.nextLong() >> random.nextInt(64);
      case "number" ->
          schema.size() > 1
              ? between(schema)
              : switch (random.nextInt(4)) {
                case 0 -> (double) random.nextInt();
                case 1 -> random.nextGaussian() * 1e-20;
                case 2 -> random.nextGaussian() * 1e200;
                default -> random.nextLong() >> random.nextInt(64);
              };
      case "boolean" -> random.nextBoolean();
      default -> null;
    };
  }

  /** Between both bounds, with as many digits as a number may have. */
  private Object between(Map<?, ?> schema) {
    double[] bounds =
        schema.values().stream()
            .filter(Double.class::isInstance)
            .mapToDouble(v -> (Double) v)
            .toArray();
    double value = bounds[0] + (bounds[1] - bounds[0]) * (0.1 + 0.8 * random.nextDouble());
    return new BigDecimal(value).setScale(random.nextInt(3, 13), RoundingMode.HALF_EVEN);
  }

  private static int number(Map<?, ?> schema, String word, int otherwise) {
    return schema.get(word) instanceof Integer number ? number : otherwise;
  }

  private Object objectOf(Map<?, ?> schema, Map<?, ?> root, int depth) {
    Map<String, Object> object = new LinkedHashMap<>();
    List<?> required = schema.get("required") instanceof List<?> list ? list : List.of();
    List<Map.Entry<?, ?>> properties =
        new ArrayList<>(((Map<?, ?>) schema.get("properties")).entrySet());
    Collections.shuffle(properties, random);
    for (Map.Entry<?, ?> property : properties) {
      if (required.contains(property.getKey()) || depth < 6 && random.nextBoolean()) {
        object.put(
            (String) property.getKey(), value((Map<?, ?>) property.getValue(), root, depth + 1));
      }
    }
    Object more = schema.get("additionalProperties");
    if (!Boolean.FALSE.equals(more) && random.nextBoolean()) {
      // Of a name there is one spelling, and none with an escape of four digits.
      String name = "more" + text(0, 5).replace('\u0001', 'b');
      object.put(
          name,
          more instanceof Map<?, ?> others ? value(others, root, depth + 1) : List.of(1, "x"));
    }
    return object;
  }

  private Object arrayOf(Map<?, ?> schema, Map<?, ?> root, int depth) {
    int least = number(schema, "minItems", 0);
    int most = Math.max(least, number(schema, "maxItems", depth < 6 ? 3 : 0));
    List<Object> list = new ArrayList<>();
    for (int i = random.nextInt(least, most + 1); i > 0; i--) {
      list.add(value((Map<?, ?>) schema.get("items"), root, depth + 1));
    }
    return list;
  }

  private String text(int least, int most) {
    StringBuilder text = new StringBuilder();
    for (int i = random.nextInt(least, Math.max(least, most) + 1); i > 0; i--) {
      text.appendCodePoint(
          switch (random.nextInt(6)) {
            case 0 -> "\"\\\n\t\u0001/".charAt(random.nextInt(6));
            case 1 -> "äß—中𝄞".codePointAt(random.nextInt(4));
            case 2 -> 0x1F600 + random.nextInt(50);
            default -> 'a' + random.nextInt(26);
          });
    }
    return text.toString();
  }
}

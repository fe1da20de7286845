package io.mla4j.server;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeType;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * The fields of an object in a request. A field that is null counts as absent, one that nobody asks
 * for is ignored, and one that is not as it has to be is an {@link ApiException} that names it.
 */
final class Fields {
  private final ObjectNode node;
  private final String path;

  private Fields(ObjectNode node, String path) {
    this.node = node;
    this.path = path;
  }

  /** Those of a body. */
  static Fields of(ObjectNode body) {
    return new Fields(body, "");
  }

  /** The object itself. */
  ObjectNode node() {
    return node;
  }

  /** A field's way from the body. */
  String path(String name) {
    return path.isEmpty() ? name : path + "." + name;
  }

  boolean has(String name) {
    return any(name) != null;
  }

  /** A field of any type; null where it is absent. */
  JsonNode any(String name) {
    JsonNode value = node.get(name);
    return value == null || value.isNull() ? null : value;
  }

  String text(String name, String absent) {
    JsonNode value = any(name);
    if (value == null) {
      return absent;
    }
    require(value.isTextual(), name, value, "a string");
    return value.textValue();
  }

  String requiredText(String name) {
    if (!has(name)) {
      throw missing(name);
    }
    return text(name, null);
  }

  boolean flag(String name, boolean absent) {
    JsonNode value = any(name);
    if (value == null) {
      return absent;
    }
    require(value.isBoolean(), name, value, "true or false");
    return value.booleanValue();
  }

  int integer(String name, int least, int most, int absent) {
    return (int) integer(name, (long) least, (long) most, (long) absent);
  }

  long integer(String name, long least, long most, long absent) {
    JsonNode value = any(name);
    if (value == null) {
      return absent;
    }
    // 5.0 is an integer of some clients.
    boolean whole = value.canConvertToLong() && value.doubleValue() == value.longValue();
    require(
        whole && value.longValue() >= least && value.longValue() <= most,
        name,
        value,
        most == Long.MAX_VALUE ? "an integer" : "an integer in " + least + ".." + most);
    return value.longValue();
  }

  double number(String name, double least, double most, double absent) {
    JsonNode value = any(name);
    if (value == null) {
      return absent;
    }
    require(
        value.isNumber() && value.doubleValue() >= least && value.doubleValue() <= most,
        name,
        value,
        String.format(Locale.ROOT, "a number in %s..%s", plain(least), plain(most)));
    return value.doubleValue();
  }

  private static String plain(double value) {
    return value == (long) value ? Long.toString((long) value) : Double.toString(value);
  }

  /** An object; null where it is absent. */
  Fields object(String name) {
    JsonNode value = any(name);
    return value == null ? null : object(name, value);
  }

  private Fields object(String name, JsonNode value) {
    require(value.isObject(), name, value, "an object");
    return new Fields((ObjectNode) value, path(name));
  }

  /** Objects; none where the field is absent. */
  List<Fields> objects(String name, int most) {
    JsonNode value = any(name);
    List<Fields> all = new ArrayList<>();
    if (value == null) {
      return all;
    }
    requireArray(name, value, most);
    for (int i = 0; i < value.size(); i++) {
      all.add(object(name + "[" + i + "]", value.get(i)));
    }
    return all;
  }

  /** A string or several. */
  List<String> texts(String name, int most) {
    JsonNode value = any(name);
    if (value == null) {
      return List.of();
    }
    if (value.isTextual()) {
      return List.of(value.textValue());
    }
    requireArray(name, value, most);
    List<String> all = new ArrayList<>();
    for (int i = 0; i < value.size(); i++) {
      require(value.get(i).isTextual(), name + "[" + i + "]", value.get(i), "a string");
      all.add(value.get(i).textValue());
    }
    return all;
  }

  /** Token ids. */
  int[] ids(String name, JsonNode value, int vocabulary) {
    require(value.isArray(), name, value, "an array of token ids");
    int[] ids = new int[value.size()];
    for (int i = 0; i < ids.length; i++) {
      JsonNode id = value.get(i);
      require(
          id.isInt() && id.intValue() >= 0 && id.intValue() < vocabulary,
          name + "[" + i + "]",
          id,
          "a token id in 0.." + (vocabulary - 1));
      ids[i] = id.intValue();
    }
    return ids;
  }

  void requireArray(String name, JsonNode value, int most) {
    require(value.isArray(), name, value, "an array");
    if (value.size() > most) {
      throw ApiException.field(
          path(name), path(name) + " has " + value.size() + " items, but may have " + most);
    }
  }

  void require(boolean holds, String name, JsonNode value, String what) {
    if (!holds) {
      throw wrong(name, value, what);
    }
  }

  ApiException wrong(String name, JsonNode value, String what) {
    return ApiException.field(
        path(name), path(name) + " is " + told(value) + ", but must be " + what);
  }

  ApiException missing(String name) {
    return ApiException.field(path(name), path(name) + " is missing");
  }

  private static String told(JsonNode value) {
    return switch (value.getNodeType()) {
      case STRING -> Quoted.of(value.textValue());
      case NUMBER, BOOLEAN -> Quoted.cut(value.asText());
      case ARRAY -> "an array";
      case OBJECT -> "an object";
      default -> value.getNodeType() == JsonNodeType.NULL ? "null" : "something else";
    };
  }
}

package io.mla4j.text.template;

import java.math.BigInteger;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** Python's json.dumps, as transformers calls it: characters beyond ASCII stay as they are. */
final class ToJson {
  private final Frame frame;
  private final StringBuilder out = new StringBuilder();
  private final @Nullable String indent;
  private final String itemSeparator;
  private final String keySeparator;
  private final boolean sortKeys;
  private final boolean ascii;

  private ToJson(Frame frame, Arguments arguments) {
    this.frame = frame;
    Object width = arguments.get(1, "indent", null);
    indent =
        width == null
            ? null
            : width instanceof String text
                ? text
                : " ".repeat(Math.clamp(arguments.number(frame, 1, "indent", 0), 0, 100));
    Object separators = arguments.get(2, "separators", null);
    List<?> pair =
        separators instanceof Tuple tuple
            ? tuple.items()
            : separators instanceof List<?> list ? list : List.of();
    itemSeparator = pair.size() == 2 ? Texts.str(pair.get(0)) : indent == null ? ", " : ",";
    keySeparator = pair.size() == 2 ? Texts.str(pair.get(1)) : ": ";
    sortKeys = arguments.flag(3, "sort_keys", false);
    ascii = arguments.flag(0, "ensure_ascii", false);
  }

  static String write(Frame frame, @Nullable Object value, Arguments arguments) {
    arguments.only(frame, "tojson", "ensure_ascii", "indent", "separators", "sort_keys");
    ToJson json = new ToJson(frame, arguments);
    json.write(value, 0);
    frame.charge(json.out.length());
    return json.out.toString();
  }

  private void write(@Nullable Object value, int depth) {
    switch (value) {
      case null -> out.append("null");
      case Boolean flag -> out.append(flag);
      case Long _, BigInteger _ -> out.append(value);
      case Double number -> out.append(number(number));
      case String text -> quote(text);
      case List<?> list -> items(list, depth);
      case Tuple tuple -> items(tuple.items(), depth);
      case Map<?, ?> map -> entries(map, depth);
      default ->
          throw frame.error(
              "Object of type " + Values.typeName(value) + " is not JSON serializable");
    }
  }

  private void items(List<?> items, int depth) {
    out.append('[');
    boolean first = true;
    for (Object item : items) {
      separate(first, depth + 1);
      write(item, depth + 1);
      first = false;
    }
    close(first, depth, ']');
  }

  private void entries(Map<?, ?> map, int depth) {
    out.append('{');
    boolean first = true;
    Map<?, ?> ordered = map;
    if (sortKeys) {
      TreeMap<@Nullable Object, @Nullable Object> sorted =
          new TreeMap<>((a, b) -> Values.compare(frame, a, b, "<"));
      sorted.putAll(map);
      ordered = sorted;
    }
    for (Map.Entry<?, ?> entry : ordered.entrySet()) {
      separate(first, depth + 1);
      switch (entry.getKey()) {
        case null -> out.append("\"null\"");
        case String key -> quote(key);
        case Boolean key -> out.append('"').append(key).append('"');
        case Double key -> out.append('"').append(number(key)).append('"');
        default -> out.append('"').append(entry.getKey()).append('"');
      }
      out.append(keySeparator);
      write(entry.getValue(), depth + 1);
      first = false;
    }
    close(first, depth, '}');
  }

  private void separate(boolean first, int depth) {
    out.append(first ? "" : itemSeparator);
    newLine(depth);
  }

  private void close(boolean empty, int depth, char bracket) {
    if (!empty) {
      newLine(depth);
    }
    out.append(bracket);
  }

  private void newLine(int depth) {
    if (indent != null) {
      out.append('\n').append(indent.repeat(depth));
    }
  }

  private static String number(double number) {
    return Double.isNaN(number)
        ? "NaN"
        : Double.isInfinite(number) ? (number > 0 ? "Infinity" : "-Infinity") : Texts.repr(number);
  }

  private void quote(String text) {
    out.append('"');
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      switch (c) {
        case '"' -> out.append("\\\"");
        case '\\' -> out.append("\\\\");
        case '\n' -> out.append("\\n");
        case '\r' -> out.append("\\r");
        case '\t' -> out.append("\\t");
        case '\f' -> out.append("\\f");
        case '\b' -> out.append("\\b");
        default -> {
          if (c < ' ' || ascii && c > '~') {
            out.append(String.format("\\u%04x", (int) c));
          } else {
            out.append(c);
          }
        }
      }
    }
    out.append('"');
  }
}

package io.mla4j.text.template;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** What may stand behind a bar: filters of one value; {@link ListFilters} has those of lists. */
final class Filters {
  /** Every filter. */
  static final Set<String> NAMES =
      Set.of(
          "abs",
          "attr",
          "batch",
          "capitalize",
          "center",
          "count",
          "d",
          "default",
          "dictsort",
          "e",
          "escape",
          "first",
          "float",
          "format",
          "groupby",
          "indent",
          "int",
          "items",
          "join",
          "last",
          "length",
          "list",
          "lower",
          "map",
          "max",
          "min",
          "reject",
          "rejectattr",
          "replace",
          "reverse",
          "round",
          "safe",
          "select",
          "selectattr",
          "slice",
          "sort",
          "string",
          "sum",
          "title",
          "tojson",
          "trim",
          "truncate",
          "unique",
          "upper",
          "wordcount");

  private static final Pattern WORD = Pattern.compile("[-\\s({\\[<]+|[^-\\s({\\[<]+");
  private static final Pattern INTEGER = Pattern.compile("[+-]?\\d+(_\\d+)*");

  private Filters() {}

  static @Nullable Object apply(
      Frame frame, String name, @Nullable Object value, Arguments arguments) {
    return switch (name) {
      case "default", "d" -> {
        boolean replaced =
            value instanceof Undefined
                || arguments.flag(1, "boolean", false) && !Values.isTrue(value);
        yield replaced ? arguments.get(0, "default_value", "") : value;
      }
      case "tojson" -> ToJson.write(frame, value, arguments);
      case "string", "safe" -> Texts.str(value);
      case "trim" -> {
        Object chars = arguments.get(0, "chars", null);
        yield Texts.strip(Texts.str(value), chars == null ? null : Texts.str(chars), true, true);
      }
      case "upper" -> Texts.str(value).toUpperCase(Locale.ROOT);
      case "lower" -> Texts.str(value).toLowerCase(Locale.ROOT);
      case "capitalize" -> StringMethods.capitalize(Texts.str(value));
      case "title" -> title(Texts.str(value));
      case "replace" ->
          StringMethods.replace(
              frame,
              Texts.str(value),
              Texts.str(arguments.get(0, "old", "")),
              Texts.str(arguments.get(1, "new", "")),
              arguments.get(2, "count", null) == null
                  ? -1
                  : arguments.number(frame, 2, "count", -1));
      case "indent" -> indent(frame, Texts.str(value), arguments);
      case "truncate" -> truncate(frame, Texts.str(value), arguments);
      case "center" ->
          Expression.Call.call(
              frame,
              StringMethods.find(Texts.str(value), "center"),
              new Arguments(List.of(arguments.get(0, "width", 80L)), Map.of()));
      case "wordcount" -> wordCount(Texts.str(value));
      case "escape", "e" -> escape(Texts.str(value));
      case "format" ->
          Formats.percent(
              frame,
              Texts.str(value),
              arguments.names().isEmpty()
                  ? new Tuple(arguments.places())
                  : Map.copyOf(arguments.names()));
      case "int" -> integer(value, arguments);
      case "float" -> decimal(value, arguments.get(0, "default", 0.0));
      case "abs" ->
          Values.isTrue(Operators.compare(frame, "<", value, 0L))
              ? Operators.negate(frame, value, true)
              : value;
      case "round" -> round(frame, value, arguments);
      case "length", "count" -> Values.length(frame, value);
      case "attr" -> attribute(frame, value, arguments.text(frame, 0, "name"));
      default -> ListFilters.apply(frame, name, value, arguments);
    };
  }

  private static @Nullable Object attribute(Frame frame, @Nullable Object value, String name) {
    return value instanceof Map<?, ?> map
        ? CollectionMethods.of(map, name) instanceof Callable method
            ? method
            : Undefined.attribute(value, name)
        : Access.attribute(frame, value, name);
  }

  private static String title(String text) {
    StringBuilder out = new StringBuilder();
    Matcher part = WORD.matcher(text);
    while (part.find()) {
      String word = part.group();
      int first = word.offsetByCodePoints(0, 1);
      out.append(word.substring(0, first).toUpperCase(Locale.ROOT))
          .append(word.substring(first).toLowerCase(Locale.ROOT));
    }
    return out.toString();
  }

  private static String indent(Frame frame, String text, Arguments arguments) {
    Object width = arguments.get(0, "width", 4L);
    String indentation =
        width instanceof String own
            ? own
            : " ".repeat(Math.clamp(arguments.number(frame, 0, "width", 4), 0, 1000));
    boolean first = arguments.flag(1, "first", false);
    boolean blank = arguments.flag(2, "blank", false);
    StringBuilder out = new StringBuilder(first ? indentation : "");
    String separator = "";
    // A text that ends in a line end has an empty line behind it.
    for (Object line : Texts.lines(text + "\n", false)) {
      boolean indented = !separator.isEmpty() && (blank || !((String) line).isEmpty());
      out.append(separator).append(indented ? indentation : "").append(line);
      separator = "\n";
      frame.charge(indentation.length() + (long) ((String) line).length());
    }
    return out.toString();
  }

  private static String truncate(Frame frame, String text, Arguments arguments) {
    int length = arguments.number(frame, 0, "length", 255);
    boolean kill = arguments.flag(1, "killwords", false);
    String end = Texts.str(arguments.get(2, "end", "..."));
    Object leeway = arguments.get(3, "leeway", null);
    long slack = leeway instanceof Long number ? number : 5;
    if (Texts.length(text) <= length + slack) {
      return text;
    }
    int kept = Math.max(0, length - Texts.length(end));
    String cut = text.substring(0, text.offsetByCodePoints(0, kept));
    int space = kill ? -1 : cut.lastIndexOf(' ');
    return (space < 0 ? cut : cut.substring(0, space)) + end;
  }

  private static long wordCount(String text) {
    Matcher word = Pattern.compile("\\w+", Pattern.UNICODE_CHARACTER_CLASS).matcher(text);
    return word.results().count();
  }

  private static String escape(String text) {
    return text.replace("&", "&amp;")
        .replace(">", "&gt;")
        .replace("<", "&lt;")
        .replace("'", "&#39;")
        .replace("\"", "&#34;");
  }

  private static @Nullable Object integer(@Nullable Object value, Arguments arguments) {
    Object absent = arguments.get(0, "default", 0L);
    switch (value) {
      case Boolean flag -> {
        return flag ? 1L : 0L;
      }
      case Long _, BigInteger _ -> {
        return value;
      }
      case Double number -> {
        return Double.isFinite(number) ? (Object) number.longValue() : absent;
      }
      case String text -> {
        String stripped = Texts.strip(text, null, true, true);
        if (INTEGER.matcher(stripped).matches() && stripped.length() < 400) {
          BigInteger number = new BigInteger(stripped.replace("_", "").replaceFirst("^\\+", ""));
          return number.bitLength() < 64 ? (Object) number.longValue() : number;
        }
        Object number = decimal(text, null);
        return number instanceof Double d && Double.isFinite(d) ? (Object) d.longValue() : absent;
      }
      case null, default -> {
        return absent;
      }
    }
  }

  private static @Nullable Object decimal(@Nullable Object value, @Nullable Object absent) {
    if (Values.number(value) instanceof Number number) {
      return number.doubleValue();
    }
    try {
      return value instanceof String text && !text.matches("(?i).*[fdx]\\s*")
          ? (Object) Double.parseDouble(Texts.strip(text, null, true, true).replace("_", ""))
          : absent;
    } catch (NumberFormatException e) {
      return absent;
    }
  }

  private static Object round(Frame frame, @Nullable Object value, Arguments arguments) {
    if (!(Values.number(value) instanceof Number number)) {
      throw frame.error("'" + Values.typeName(value) + "' cannot be rounded");
    }
    int precision = Math.clamp(arguments.number(frame, 0, "precision", 0), -300, 300);
    RoundingMode mode =
        switch (Texts.str(arguments.get(1, "method", "common"))) {
          case "common" -> RoundingMode.HALF_EVEN;
          case "ceil" -> RoundingMode.CEILING;
          case "floor" -> RoundingMode.FLOOR;
          default -> throw frame.error("method must be common, ceil or floor");
        };
    double wide = number.doubleValue();
    if (!Double.isFinite(wide)) {
      return wide;
    }
    double rounded = new BigDecimal(wide).setScale(precision, mode).doubleValue();
    return mode == RoundingMode.HALF_EVEN && number instanceof Long && precision >= 0
        ? (Object) number
        : (Object) rounded;
  }

  /** A list with the values that {@code items} has. */
  static List<@Nullable Object> list(List<?> items) {
    return new ArrayList<>(items);
  }
}

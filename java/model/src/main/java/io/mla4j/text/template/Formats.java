package io.mla4j.text.template;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Python's {@code '%s' % value} and {@code '{}'.format(value)}. */
final class Formats {
  private static final int WIDEST = 10_000;
  private static final Pattern PERCENT =
      Pattern.compile("%(?:\\((\\w+)\\))?([-+ 0#]*)(\\d*)(?:\\.(\\d+))?([a-zA-Z%])");
  private static final Pattern BRACES =
      Pattern.compile("\\{\\{|\\}\\}|\\{([^{}:!]*)(?:!([rs]))?(?::([^{}]*))?\\}|[{}]");
  private static final Pattern SPEC =
      Pattern.compile("(?:(.)?([<>^=]))?([-+ ])?(0)?(\\d*)(,)?(?:\\.(\\d+))?([a-zA-Z%])?");

  private Formats() {}

  static String percent(Frame frame, String format, @Nullable Object values) {
    List<?> places =
        values instanceof Tuple tuple ? tuple.items() : Collections.singletonList(values);
    StringBuilder out = new StringBuilder();
    Matcher found = PERCENT.matcher(format);
    int place = 0;
    while (found.find()) {
      String kind = found.group(5);
      if (kind.equals("%")) {
        found.appendReplacement(out, "%");
        continue;
      }
      Object value;
      if (found.group(1) != null && values instanceof Map<?, ?> map) {
        value = map.get(found.group(1));
      } else if (place < places.size()) {
        value = places.get(place++);
      } else {
        throw frame.error("not enough arguments for format string");
      }
      boolean left = found.group(2).contains("-");
      String spec =
          (left ? "<" : kind.equals("s") || kind.equals("r") ? ">" : "")
              + (found.group(2).contains("+") ? "+" : "")
              + (found.group(2).contains("0") && !left ? "0" : "")
              + found.group(3)
              + (found.group(4) == null ? "" : "." + found.group(4))
              + (kind.equals("i") || kind.equals("u") ? "d" : kind.equals("r") ? "s" : kind);
      Object shown =
          switch (kind) {
            case "s" -> Texts.str(value);
            case "r" -> Texts.repr(value);
            case "d", "i", "u" ->
                value instanceof Double number ? (Object) number.longValue() : value;
            default -> value;
          };
      found.appendReplacement(out, Matcher.quoteReplacement(format(frame, shown, spec)));
    }
    found.appendTail(out);
    frame.charge(out.length());
    return out.toString();
  }

  static String braces(Frame frame, String format, Arguments arguments) {
    StringBuilder out = new StringBuilder();
    Matcher found = BRACES.matcher(format);
    int next = 0;
    while (found.find()) {
      String all = found.group();
      if (all.equals("{{") || all.equals("}}")) {
        found.appendReplacement(out, all.substring(1));
        continue;
      }
      if (all.length() == 1) {
        throw frame.error("single '" + all + "' encountered in format string");
      }
      Matcher field = Pattern.compile("(\\w*)(.*)").matcher(found.group(1));
      field.matches();
      String name = field.group(1);
      Object value;
      if (name.isEmpty() || name.matches("\\d{1,9}")) {
        int place = name.isEmpty() ? next++ : Integer.parseInt(name);
        if (place >= arguments.places().size()) {
          throw frame.error("Replacement index " + place + " out of range");
        }
        value = arguments.places().get(place);
      } else {
        value = arguments.names().getOrDefault(name, Undefined.name(name));
        frame.requireDefined(value);
      }
      value = part(frame, value, field.group(2));
      if (found.group(2) != null) {
        value = found.group(2).equals("r") ? Texts.repr(value) : Texts.str(value);
      }
      String spec = found.group(3) == null ? "" : found.group(3);
      found.appendReplacement(out, Matcher.quoteReplacement(format(frame, value, spec)));
    }
    found.appendTail(out);
    frame.charge(out.length());
    return out.toString();
  }

  /** {@code .name[key]} behind a field. */
  private static @Nullable Object part(Frame frame, @Nullable Object of, String path) {
    Object value = of;
    Matcher part = Pattern.compile("\\.(\\w+)|\\[([^\\]]*)\\]").matcher(path);
    while (part.find()) {
      String key = part.group(2);
      value =
          key == null
              ? Access.attribute(frame, value, part.group(1))
              : Access.item(
                  frame, value, key.matches("\\d{1,9}") ? Long.valueOf(key) : (Object) key);
    }
    return value;
  }

  private static String format(Frame frame, @Nullable Object value, String spec) {
    Matcher parts = SPEC.matcher(spec);
    if (!parts.matches()) {
      throw frame.error("Invalid format specifier '" + spec + "'");
    }
    String type = parts.group(8) == null ? "" : parts.group(8);
    int precision = parts.group(7) == null ? -1 : bounded(frame, parts.group(7));
    boolean isNumber = value instanceof Long || value instanceof Double;
    String text =
        isNumber && value instanceof Number number
            ? number(frame, number, type, precision)
            : text(frame, value, type, precision);
    if (parts.group(6) != null && isNumber) {
      text = text.replaceAll("(?<=\\d)(?=(\\d{3})+(?!\\d))(?<!\\.\\d{0,40})", ",");
    }
    if ("+".equals(parts.group(3)) && isNumber && !text.startsWith("-")) {
      text = "+" + text;
    }
    int missing =
        (parts.group(5).isEmpty() ? 0 : bounded(frame, parts.group(5))) - Texts.length(text);
    if (missing <= 0) {
      return text;
    }
    boolean zeros = parts.group(4) != null && parts.group(2) == null;
    String fill = parts.group(1) != null ? parts.group(1) : zeros ? "0" : " ";
    String align = parts.group(2) != null ? parts.group(2) : zeros ? "=" : isNumber ? ">" : "<";
    return switch (align) {
      case "<" -> text + fill.repeat(missing);
      case "^" -> fill.repeat(missing / 2) + text + fill.repeat(missing - missing / 2);
      case "=" -> {
        int sign = text.startsWith("-") || text.startsWith("+") ? 1 : 0;
        yield text.substring(0, sign) + fill.repeat(missing) + text.substring(sign);
      }
      default -> fill.repeat(missing) + text;
    };
  }

  private static int bounded(Frame frame, String digits) {
    if (digits.length() > 5 || Integer.parseInt(digits) > WIDEST) {
      throw frame.error("a format is wider than " + WIDEST);
    }
    return Integer.parseInt(digits);
  }

  private static String text(Frame frame, @Nullable Object value, String type, int precision) {
    if (!type.isEmpty() && !type.equals("s")) {
      throw frame.error(
          "Unknown format code '" + type + "' for object of type '" + Values.typeName(value) + "'");
    }
    String text = Texts.str(value);
    return precision < 0 || precision >= Texts.length(text)
        ? text
        : text.substring(0, text.offsetByCodePoints(0, precision));
  }

  private static String number(Frame frame, Number value, String type, int precision) {
    double wide = value.doubleValue();
    return switch (type) {
      case "", "s" -> Texts.str(value);
      case "d" -> Texts.str(value);
      case "f", "F" -> fixed(wide, precision < 0 ? 6 : precision);
      case "%" -> fixed(wide * 100, precision < 0 ? 6 : precision) + "%";
      case "x" -> value instanceof Long number ? Long.toString(number, 16) : Texts.str(value);
      case "X" ->
          value instanceof Long number ? Long.toString(number, 16).toUpperCase() : Texts.str(value);
      default -> throw frame.error("Unknown format code '" + type + "'");
    };
  }

  private static String fixed(double number, int digits) {
    return Double.isFinite(number)
        ? new BigDecimal(number).setScale(digits, RoundingMode.HALF_EVEN).toPlainString()
        : Texts.repr(number);
  }
}

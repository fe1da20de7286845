package io.mla4j.text.template;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Texts as Python has them: white space, code points, escapes, and how values print. */
final class Texts {
  private Texts() {}

  /** Python's {@code str.isspace} of one character. */
  static boolean isSpace(int c) {
    return c == ' '
        || c >= 9 && c <= 13
        || c >= 0x1c && c <= 0x1f
        || c == 0x85
        || c > 127 && Character.getType(c) == Character.SPACE_SEPARATOR
        || c == 0x2028
        || c == 0x2029;
  }

  /** Without the characters of {@code chars}, or white space where it is null, at its ends. */
  static String strip(String text, @Nullable String chars, boolean left, boolean right) {
    int begin = 0;
    int end = text.length();
    while (left && begin < end && isStripped(text.codePointAt(begin), chars)) {
      begin += Character.charCount(text.codePointAt(begin));
    }
    while (right && begin < end && isStripped(text.codePointBefore(end), chars)) {
      end -= Character.charCount(text.codePointBefore(end));
    }
    return text.substring(begin, end);
  }

  private static boolean isStripped(int c, @Nullable String chars) {
    return chars == null ? isSpace(c) : chars.indexOf(c) >= 0;
  }

  static int length(String text) {
    return text.codePointCount(0, text.length());
  }

  /** Its characters as texts. */
  static List<@Nullable Object> characters(String text) {
    List<@Nullable Object> characters = new ArrayList<>(text.length());
    text.codePoints().forEach(c -> characters.add(Character.toString(c)));
    return characters;
  }

  /** Python's {@code splitlines}. */
  static List<@Nullable Object> lines(String text, boolean keepEnds) {
    List<@Nullable Object> lines = new ArrayList<>();
    int begin = 0;
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if ("\n\r\u000b\f\u001c\u001d\u001e\u0085\u2028\u2029".indexOf(c) >= 0) {
        int end = i;
        if (c == '\r' && i + 1 < text.length() && text.charAt(i + 1) == '\n') {
          i++;
        }
        lines.add(text.substring(begin, keepEnds ? i + 1 : end));
        begin = i + 1;
      }
    }
    if (begin < text.length()) {
      lines.add(text.substring(begin));
    }
    return lines;
  }

  /** What stands between the quotes of a string literal. */
  static String unescape(String literal) {
    if (literal.indexOf('\\') < 0) {
      return literal;
    }
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < literal.length(); i++) {
      char c = literal.charAt(i);
      if (c != '\\' || i + 1 == literal.length()) {
        text.append(c);
        continue;
      }
      char escape = literal.charAt(++i);
      int plain = "abfnrtv\\'\"\n".indexOf(escape);
      int digits = escape == 'x' ? 2 : escape == 'u' ? 4 : escape == 'U' ? 8 : 0;
      int code = digits == 0 ? -1 : hex(literal, i + 1, digits);
      if (plain >= 0) {
        text.append("\u0007\b\f\n\r\t\u000b\\'\"".substring(plain, Math.min(plain + 1, 10)));
      } else if (code >= 0) {
        text.appendCodePoint(code);
        i += digits;
      } else if (escape >= '0' && escape <= '7') {
        int end = i + 1;
        while (end < literal.length()
            && end < i + 3
            && "01234567".indexOf(literal.charAt(end)) >= 0) {
          end++;
        }
        text.append((char) Integer.parseInt(literal.substring(i, end), 8));
        i = end - 1;
      } else {
        text.append('\\').append(escape);
      }
    }
    return text.toString();
  }

  private static int hex(String text, int from, int digits) {
    if (from + digits > text.length()) {
      return -1;
    }
    int code = 0;
    for (int i = from; i < from + digits; i++) {
      int digit = Character.digit(text.charAt(i), 16);
      if (digit < 0) {
        return -1;
      }
      code = 16 * code + digit;
    }
    return Character.isValidCodePoint(code) ? code : -1;
  }

  /** Python's {@code str}. */
  static String str(@Nullable Object value) {
    return value instanceof String text ? text : value instanceof Undefined ? "" : repr(value);
  }

  /** Python's {@code repr}. */
  static String repr(@Nullable Object value) {
    StringBuilder out = new StringBuilder();
    repr(value, out);
    return out.toString();
  }

  private static void repr(@Nullable Object value, StringBuilder out) {
    switch (value) {
      case null -> out.append("None");
      case Boolean flag -> out.append(flag ? "True" : "False");
      case Double number -> out.append(repr(number.doubleValue()));
      case Long _, BigInteger _ -> out.append(value);
      case String text -> quote(text, out);
      case List<?> list -> repr(list, '[', ']', out);
      case Tuple tuple -> {
        repr(tuple.items(), '(', ')', out);
        if (tuple.items().size() == 1) {
          out.insert(out.length() - 1, ',');
        }
      }
      case Map<?, ?> map -> {
        out.append('{');
        String separator = "";
        for (Map.Entry<?, ?> entry : map.entrySet()) {
          out.append(separator);
          repr(entry.getKey(), out);
          out.append(": ");
          repr(entry.getValue(), out);
          separator = ", ";
        }
        out.append('}');
      }
      case Namespace namespace -> {
        out.append("<Namespace ");
        repr(namespace.names(), out);
        out.append('>');
      }
      case Undefined _ -> out.append("Undefined");
      default -> out.append('<').append(Values.typeName(value)).append('>');
    }
  }

  private static void repr(List<?> items, char open, char close, StringBuilder out) {
    out.append(open);
    String separator = "";
    for (Object item : items) {
      out.append(separator);
      repr(item, out);
      separator = ", ";
    }
    out.append(close);
  }

  private static void quote(String text, StringBuilder out) {
    char quote = text.indexOf('\'') >= 0 && text.indexOf('"') < 0 ? '"' : '\'';
    out.append(quote);
    text.codePoints()
        .forEach(
            c -> {
              if (c == quote || c == '\\') {
                out.append('\\').append((char) c);
              } else if (c == '\n' || c == '\r' || c == '\t') {
                out.append(c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
              } else if (isPrintable(c)) {
                out.appendCodePoint(c);
              } else {
                String form = c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x";
                out.append(String.format(form, c));
              }
            });
    out.append(quote);
  }

  private static boolean isPrintable(int c) {
    return c == ' '
        || switch (Character.getType(c)) {
          case Character.CONTROL,
              Character.FORMAT,
              Character.SURROGATE,
              Character.PRIVATE_USE,
              Character.UNASSIGNED,
              Character.LINE_SEPARATOR,
              Character.PARAGRAPH_SEPARATOR,
              Character.SPACE_SEPARATOR ->
              false;
          default -> true;
        };
  }

  /** The shortest digits that give the number back, with an exponent below 1e-4 and from 1e16. */
  static String repr(double number) {
    if (Double.isNaN(number) || Double.isInfinite(number)) {
      return Double.isNaN(number) ? "nan" : number > 0 ? "inf" : "-inf";
    }
    if (number == 0) {
      return 1 / number > 0 ? "0.0" : "-0.0";
    }
    BigDecimal decimal = new BigDecimal(Double.toString(number)).stripTrailingZeros();
    int exponent = decimal.precision() - decimal.scale() - 1;
    if (exponent >= -4 && exponent < 16) {
      String plain = decimal.toPlainString();
      return plain.indexOf('.') < 0 ? plain + ".0" : plain;
    }
    String digits = decimal.unscaledValue().abs().toString();
    return (number < 0 ? "-" : "")
        + digits.charAt(0)
        + (digits.length() > 1 ? "." + digits.substring(1) : "")
        + "e"
        + (exponent < 0 ? "-" : "+")
        + String.format(Locale.ROOT, "%02d", Math.abs(exponent));
  }
}

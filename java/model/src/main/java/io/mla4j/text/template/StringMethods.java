package io.mla4j.text.template;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;

/** Methods of Python's str. */
final class StringMethods {
  private StringMethods() {}

  /** The method called {@code name}, or null. */
  static @Nullable Callable find(String text, String name) {
    return switch (name) {
      case "strip", "lstrip", "rstrip" ->
          (frame, arguments) -> {
            Object chars = arguments.get(0, "chars", null);
            return Texts.strip(
                text,
                chars == null ? null : arguments.text(frame, 0, "chars"),
                !name.equals("rstrip"),
                !name.equals("lstrip"));
          };
      case "split" -> (frame, arguments) -> split(frame, text, arguments, false);
      case "rsplit" -> (frame, arguments) -> split(frame, text, arguments, true);
      case "splitlines" ->
          (_, arguments) -> Texts.lines(text, arguments.flag(0, "keepends", false));
      case "partition", "rpartition" ->
          (frame, arguments) -> partition(frame, text, name, arguments);
      case "startswith", "endswith" ->
          (frame, arguments) -> hasEnd(frame, text, name, arguments.get(0, "", null));
      case "removeprefix" ->
          (frame, arguments) -> {
            String prefix = arguments.text(frame, 0, "prefix");
            return text.startsWith(prefix) ? text.substring(prefix.length()) : text;
          };
      case "removesuffix" ->
          (frame, arguments) -> {
            String suffix = arguments.text(frame, 0, "suffix");
            return text.endsWith(suffix)
                ? text.substring(0, text.length() - suffix.length())
                : text;
          };
      case "replace" ->
          (frame, arguments) ->
              replace(
                  frame,
                  text,
                  arguments.text(frame, 0, "old"),
                  arguments.text(frame, 1, "new"),
                  arguments.number(frame, 2, "count", -1));
      case "find", "rfind", "index", "rindex" ->
          (frame, arguments) -> position(frame, text, name, arguments.text(frame, 0, "sub"));
      case "count" ->
          (frame, arguments) -> {
            String part = arguments.text(frame, 0, "sub");
            return part.isEmpty()
                ? Texts.length(text) + 1L
                : (long) parts(text, part, Integer.MAX_VALUE, false).size() - 1;
          };
      case "join" -> (frame, arguments) -> join(frame, text, arguments.get(0, "iterable", null));
      case "format" -> (frame, arguments) -> Formats.braces(frame, text, arguments);
      case "ljust", "rjust", "center", "zfill" ->
          (frame, arguments) -> pad(frame, text, name, arguments);
      default -> plain(text, name);
    };
  }

  /** Methods without arguments. */
  private static @Nullable Callable plain(String text, String name) {
    return switch (name) {
      case "upper" -> (_, _) -> text.toUpperCase(Locale.ROOT);
      case "lower", "casefold" -> (_, _) -> text.toLowerCase(Locale.ROOT);
      case "capitalize" -> (_, _) -> capitalize(text);
      case "title" -> (_, _) -> title(text);
      case "swapcase" -> (_, _) -> swapCase(text);
      case "isspace" -> all(text, Texts::isSpace);
      case "isdigit", "isdecimal", "isnumeric" -> all(text, Character::isDigit);
      case "isalpha" -> all(text, Character::isLetter);
      case "isalnum" -> all(text, Character::isLetterOrDigit);
      case "isascii" -> (_, _) -> text.chars().allMatch(c -> c < 128);
      case "isupper" ->
          (_, _) ->
              text.codePoints().anyMatch(Character::isUpperCase)
                  && text.codePoints().noneMatch(Character::isLowerCase);
      case "islower" ->
          (_, _) ->
              text.codePoints().anyMatch(Character::isLowerCase)
                  && text.codePoints().noneMatch(Character::isUpperCase);
      default -> null;
    };
  }

  private static Callable all(String text, IntPredicate is) {
    return (_, _) -> !text.isEmpty() && text.codePoints().allMatch(is);
  }

  private static Object hasEnd(Frame frame, String text, String name, @Nullable Object wanted) {
    if (wanted instanceof String end) {
      return name.equals("startswith") ? text.startsWith(end) : text.endsWith(end);
    }
    if (wanted instanceof Tuple tuple) {
      return tuple.items().stream().anyMatch(end -> (boolean) hasEnd(frame, text, name, end));
    }
    throw frame.error(name + " needs a text or a tuple of texts");
  }

  private static List<@Nullable Object> split(
      Frame frame, String text, Arguments arguments, boolean fromRight) {
    Object separator = arguments.get(0, "sep", null);
    int most = arguments.number(frame, 1, "maxsplit", -1);
    frame.charge(text.length());
    if (separator == null) {
      return words(text, most < 0 ? Integer.MAX_VALUE : most, fromRight);
    }
    String between = arguments.text(frame, 0, "sep");
    if (between.isEmpty()) {
      throw frame.error("empty separator");
    }
    return parts(text, between, most < 0 ? Integer.MAX_VALUE : most, fromRight);
  }

  private static List<@Nullable Object> parts(
      String text, String between, int most, boolean fromRight) {
    List<@Nullable Object> parts = new ArrayList<>();
    if (fromRight) {
      int end = text.length();
      for (int at;
          parts.size() < most && (at = text.lastIndexOf(between, end - between.length())) >= 0; ) {
        parts.addFirst(text.substring(at + between.length(), end));
        end = at;
      }
      parts.addFirst(text.substring(0, end));
      return parts;
    }
    int begin = 0;
    for (int at; parts.size() < most && (at = text.indexOf(between, begin)) >= 0; ) {
      parts.add(text.substring(begin, at));
      begin = at + between.length();
    }
    parts.add(text.substring(begin));
    return parts;
  }

  private static List<@Nullable Object> words(String text, int most, boolean fromRight) {
    List<@Nullable Object> words = new ArrayList<>();
    String rest = Texts.strip(text, null, !fromRight, fromRight);
    while (!rest.isEmpty()) {
      if (words.size() == most) {
        String last = Texts.strip(rest, null, fromRight, !fromRight);
        if (fromRight) {
          words.addFirst(last);
        } else {
          words.add(last);
        }
        break;
      }
      if (fromRight) {
        int begin = rest.length();
        while (begin > 0 && !Texts.isSpace(rest.codePointBefore(begin))) {
          begin -= Character.charCount(rest.codePointBefore(begin));
        }
        words.addFirst(rest.substring(begin));
        rest = Texts.strip(rest.substring(0, begin), null, false, true);
      } else {
        int end = 0;
        while (end < rest.length() && !Texts.isSpace(rest.codePointAt(end))) {
          end += Character.charCount(rest.codePointAt(end));
        }
        words.add(rest.substring(0, end));
        rest = Texts.strip(rest.substring(end), null, true, false);
      }
    }
    return words;
  }

  private static Object partition(Frame frame, String text, String name, Arguments arguments) {
    String between = arguments.text(frame, 0, "sep");
    boolean right = name.equals("rpartition");
    int at = right ? text.lastIndexOf(between) : text.indexOf(between);
    if (at < 0) {
      return right ? Tuple.of("", "", text) : Tuple.of(text, "", "");
    }
    return Tuple.of(text.substring(0, at), between, text.substring(at + between.length()));
  }

  /** At most {@code most} times, or always where it is negative. */
  static String replace(Frame frame, String text, String old, String by, int most) {
    if (old.isEmpty()) {
      StringBuilder out = new StringBuilder();
      int done = 0;
      for (Object c : Values.iterate(frame, text)) {
        out.append(most < 0 || done++ < most ? by : "").append(c);
        frame.charge(by.length());
      }
      return out.append(most < 0 || done < most ? by : "").toString();
    }
    List<@Nullable Object> parts = parts(text, old, most < 0 ? Integer.MAX_VALUE : most, false);
    return join(frame, by, parts);
  }

  static String join(Frame frame, String between, @Nullable Object items) {
    StringBuilder out = new StringBuilder();
    String separator = "";
    for (Object item : Values.iterate(frame, items)) {
      if (!(item instanceof String text)) {
        throw frame.error("join needs texts, not '" + Values.typeName(item) + "'");
      }
      frame.charge(separator.length() + (long) text.length());
      out.append(separator).append(text);
      separator = between;
    }
    return out.toString();
  }

  private static Object position(Frame frame, String text, String name, String part) {
    int at = name.startsWith("r") ? text.lastIndexOf(part) : text.indexOf(part);
    if (at < 0 && name.endsWith("index")) {
      throw frame.error("substring not found");
    }
    return at < 0 ? -1L : (long) text.codePointCount(0, at);
  }

  private static Object pad(Frame frame, String text, String name, Arguments arguments) {
    int missing = arguments.number(frame, 0, "width", 0) - Texts.length(text);
    if (missing <= 0) {
      return text;
    }
    frame.charge(missing);
    if (name.equals("zfill")) {
      boolean signed = text.startsWith("-") || text.startsWith("+");
      return text.substring(0, signed ? 1 : 0)
          + "0".repeat(missing)
          + text.substring(signed ? 1 : 0);
    }
    String fill = arguments.has(1, "fillchar") ? arguments.text(frame, 1, "fillchar") : " ";
    int left =
        switch (name) {
          case "ljust" -> 0;
          case "rjust" -> missing;
          // Python's own rule for an odd rest.
          default -> missing / 2 + (missing & (missing + Texts.length(text)) & 1);
        };
    return fill.repeat(left) + text + fill.repeat(missing - left);
  }

  static String capitalize(String text) {
    if (text.isEmpty()) {
      return text;
    }
    int first = Character.charCount(text.codePointAt(0));
    return Character.toString(Character.toTitleCase(text.codePointAt(0)))
        + text.substring(first).toLowerCase(Locale.ROOT);
  }

  /** Python's {@code title}: a letter behind what is none is a capital. */
  private static String title(String text) {
    StringBuilder out = new StringBuilder();
    boolean inside = false;
    for (int c : text.codePoints().toArray()) {
      out.appendCodePoint(inside ? Character.toLowerCase(c) : Character.toTitleCase(c));
      inside = Character.isLetter(c);
    }
    return out.toString();
  }

  private static String swapCase(String text) {
    StringBuilder out = new StringBuilder();
    text.codePoints()
        .forEach(
            c ->
                out.appendCodePoint(
                    Character.isUpperCase(c)
                        ? Character.toLowerCase(c)
                        : Character.toUpperCase(c)));
    return out.toString();
  }
}

package io.mla4j.text.template;

import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The functions that every template has. */
final class Functions {
  private static final int LONGEST_RANGE = 100_000;

  static final Map<String, Object> GLOBALS =
      Map.of(
          "range", (Callable) Functions::range,
          "dict", (Callable) (_, arguments) -> dict(arguments),
          "namespace", (Callable) Functions::namespace,
          "raise_exception", (Callable) Functions::raise);

  private Functions() {}

  /** {@code strftime_now}: the time as a format of Python's strftime has it. */
  static Callable clock(LocalDateTime now) {
    return (frame, arguments) -> strftime(arguments.text(frame, 0, "format"), now);
  }

  private static Object range(Frame frame, Arguments arguments) {
    int places = arguments.places().size();
    for (Object place : arguments.places()) {
      if (!(place instanceof Long)) {
        throw frame.error("range needs whole numbers");
      }
    }
    if (places < 1 || places > 3) {
      throw frame.error("range needs one to three numbers");
    }
    long begin = places == 1 ? 0 : (long) arguments.places().get(0);
    long end = (long) arguments.places().get(places == 1 ? 0 : 1);
    long step = places < 3 ? 1 : (long) arguments.places().get(2);
    if (step == 0) {
      throw frame.error("range() arg 3 must not be zero");
    }
    List<@Nullable Object> numbers = new ArrayList<>();
    for (long i = begin; step > 0 ? i < end : i > end; i += step) {
      if (numbers.size() == LONGEST_RANGE) {
        throw frame.error("Range too big. The sandbox blocks ranges larger than 100000");
      }
      numbers.add(i);
    }
    frame.charge(16L * numbers.size());
    return numbers;
  }

  private static Map<@Nullable Object, @Nullable Object> dict(Arguments arguments) {
    Map<@Nullable Object, @Nullable Object> made = new LinkedHashMap<>();
    if (arguments.get(0, "", null) instanceof Map<?, ?> map) {
      made.putAll(map);
    }
    made.putAll(arguments.names());
    return made;
  }

  private static Object namespace(Frame frame, Arguments arguments) {
    return new Namespace(dict(arguments));
  }

  private static Object raise(Frame frame, Arguments arguments) {
    throw frame.error(Texts.str(arguments.get(0, "message", "")));
  }

  private static String strftime(String format, LocalDateTime now) {
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < format.length(); i++) {
      char c = format.charAt(i);
      if (c != '%' || i + 1 == format.length()) {
        out.append(c);
        continue;
      }
      boolean bare = format.charAt(i + 1) == '-' && i + 2 < format.length();
      i += bare ? 2 : 1;
      String text = directive(format.charAt(i), now);
      out.append(bare ? text.replaceFirst("^[0 ]+(?=.)", "") : text);
    }
    return out.toString();
  }

  private static String directive(char directive, LocalDateTime now) {
    String pattern =
        switch (directive) {
          case 'Y' -> "uuuu";
          case 'y' -> "uu";
          case 'm' -> "MM";
          case 'd' -> "dd";
          case 'e' -> "ppd";
          case 'H' -> "HH";
          case 'I' -> "hh";
          case 'M' -> "mm";
          case 'S' -> "ss";
          case 'f' -> "SSSSSS";
          case 'p' -> "a";
          case 'B' -> "MMMM";
          case 'b', 'h' -> "MMM";
          case 'A' -> "EEEE";
          case 'a' -> "EEE";
          case 'j' -> "DDD";
          case 'F' -> "uuuu-MM-dd";
          case 'T', 'X' -> "HH:mm:ss";
          case 'R' -> "HH:mm";
          case 'D', 'x' -> "MM/dd/uu";
          case 'c' -> "EEE MMM ppd HH:mm:ss uuuu";
          default -> null;
        };
    return switch (directive) {
      case '%' -> "%";
      case 'n' -> "\n";
      case 't' -> "\t";
      case 'w' -> Integer.toString(now.getDayOfWeek().getValue() % 7);
      case 'u' -> Integer.toString(now.getDayOfWeek().getValue());
      case 'Z', 'z' -> "";
      default ->
          pattern == null
              ? "%" + directive
              : DateTimeFormatter.ofPattern(pattern, Locale.US).format(now);
    };
  }
}

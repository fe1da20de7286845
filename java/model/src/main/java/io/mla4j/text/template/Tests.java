package io.mla4j.text.template;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What may stand behind {@code is}. */
final class Tests {
  private Tests() {}

  static boolean apply(Frame frame, String name, @Nullable Object value, Arguments arguments) {
    return switch (name) {
      case "defined" -> !(value instanceof Undefined);
      case "undefined" -> value instanceof Undefined;
      case "none" -> value == null;
      case "true" -> Boolean.TRUE.equals(value);
      case "false" -> Boolean.FALSE.equals(value);
      case "boolean" -> value instanceof Boolean;
      case "integer" -> value instanceof Long;
      case "float" -> value instanceof Double;
      case "number" -> Values.number(value) != null;
      case "string" -> value instanceof String;
      case "mapping" -> value instanceof Map<?, ?>;
      case "sequence" ->
          value instanceof List<?>
              || value instanceof Tuple
              || value instanceof String
              || value instanceof Map<?, ?>;
      case "iterable" -> Values.isIterable(value);
      case "callable" -> value instanceof Callable;
      case "sameas" -> value == other(frame, arguments) || isSame(value, other(frame, arguments));
      case "lower" -> Texts.str(value).equals(Texts.str(value).toLowerCase(Locale.ROOT));
      case "upper" -> Texts.str(value).equals(Texts.str(value).toUpperCase(Locale.ROOT));
      case "odd" -> remainder(frame, value, 2) == 1;
      case "even" -> remainder(frame, value, 2) == 0;
      case "divisibleby" ->
          other(frame, arguments) instanceof Long by && by != 0 && remainder(frame, value, by) == 0;
      case "in" -> Values.contains(frame, other(frame, arguments), value);
      case "filter" -> Filters.NAMES.contains(value);
      case "eq", "equalto", "==" -> Values.equal(value, other(frame, arguments));
      case "ne", "!=" -> !Values.equal(value, other(frame, arguments));
      case "lt", "lessthan", "<" -> Operators.compare(frame, "<", value, other(frame, arguments));
      case "le", "<=" -> Operators.compare(frame, "<=", value, other(frame, arguments));
      case "gt", "greaterthan", ">" ->
          Operators.compare(frame, ">", value, other(frame, arguments));
      case "ge", ">=" -> Operators.compare(frame, ">=", value, other(frame, arguments));
      default -> throw frame.error("no test named '" + name + "'");
    };
  }

  private static @Nullable Object other(Frame frame, Arguments arguments) {
    if (arguments.places().isEmpty()) {
      throw frame.error("the test needs an argument");
    }
    return arguments.places().getFirst();
  }

  /** Constants are one object in Python. */
  private static boolean isSame(@Nullable Object a, @Nullable Object b) {
    return a instanceof Boolean && a.equals(b);
  }

  private static long remainder(Frame frame, @Nullable Object value, long by) {
    if (value instanceof Long number) {
      return Math.floorMod(number, by);
    }
    throw frame.error("'" + Values.typeName(value) + "' is no whole number");
  }
}

package io.mla4j.text.template;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Arithmetic, and what + and * do with texts and lists. */
final class Operators {
  private Operators() {}

  static Object apply(Frame frame, String operator, @Nullable Object a, @Nullable Object b) {
    frame.requireDefined(a);
    frame.requireDefined(b);
    try {
      Object result = numbers(operator, Values.number(a), Values.number(b));
      if (result == null) {
        result = sequences(frame, operator, a, b);
      }
      if (result != null) {
        return result;
      }
    } catch (ArithmeticException e) {
      throw frame.error("'" + operator + "': " + e.getMessage());
    }
    if (operator.equals("+") && a instanceof String) {
      throw frame.error("can only concatenate str (not \"" + Values.typeName(b) + "\") to str");
    }
    throw frame.error(
        "unsupported operand type(s) for "
            + operator
            + ": '"
            + Values.typeName(a)
            + "' and '"
            + Values.typeName(b)
            + "'");
  }

  private static @Nullable Object numbers(String operator, @Nullable Number a, @Nullable Number b) {
    if (a instanceof Long l && b instanceof Long r) {
      return switch (operator) {
        case "+" -> Math.addExact(l, r);
        case "-" -> Math.subtractExact(l, r);
        case "*" -> Math.multiplyExact(l, r);
        case "/" -> (double) l / nonZero(r);
        case "//" -> Math.floorDivExact(l, nonZero(r));
        case "%" -> Math.floorMod(l, nonZero(r));
        case "**" -> power(l, r);
        default -> null;
      };
    }
    if (a == null || b == null) {
      return null;
    }
    double l = a.doubleValue();
    double r = b.doubleValue();
    return switch (operator) {
      case "+" -> l + r;
      case "-" -> l - r;
      case "*" -> l * r;
      case "/" -> l / nonZero(r);
      case "//" -> Math.floor(l / nonZero(r));
      case "%" -> l - Math.floor(l / nonZero(r)) * r;
      case "**" -> Math.pow(l, r);
      default -> null;
    };
  }

  private static Object power(long base, long exponent) {
    return exponent < 0 || exponent > 1000
        ? (Object) Math.pow(base, exponent)
        : (Object) BigDecimal.valueOf(base).pow((int) exponent).longValueExact();
  }

  private static long nonZero(long number) {
    if (number == 0) {
      throw new ArithmeticException("division by zero");
    }
    return number;
  }

  private static double nonZero(double number) {
    if (number == 0) {
      throw new ArithmeticException("division by zero");
    }
    return number;
  }

  private static @Nullable Object sequences(
      Frame frame, String operator, @Nullable Object a, @Nullable Object b) {
    return switch (operator) {
      case "+" -> {
        if (a instanceof String left && b instanceof String right) {
          yield frame.text(left.length() + (long) right.length(), () -> left + right);
        }
        if (a instanceof List<?> left && b instanceof List<?> right) {
          yield join(frame, left, right);
        }
        yield a instanceof Tuple left && b instanceof Tuple right
            ? new Tuple(join(frame, left.items(), right.items()))
            : null;
      }
      case "*" ->
          b instanceof Long count
              ? repeat(frame, a, count)
              : a instanceof Long count ? repeat(frame, b, count) : null;
      case "%" -> a instanceof String text ? Formats.percent(frame, text, b) : null;
      default -> null;
    };
  }

  private static List<@Nullable Object> join(Frame frame, List<?> a, List<?> b) {
    frame.charge(16L * (a.size() + b.size()));
    List<@Nullable Object> all = new ArrayList<>(a);
    all.addAll(b);
    return all;
  }

  private static @Nullable Object repeat(Frame frame, @Nullable Object value, long count) {
    int times = Math.clamp(count, 0, Integer.MAX_VALUE);
    return switch (value) {
      case String text -> frame.text((long) text.length() * times, () -> text.repeat(times));
      case List<?> list -> repeatItems(frame, list, times);
      case Tuple tuple -> new Tuple(repeatItems(frame, tuple.items(), times));
      case null, default -> null;
    };
  }

  private static List<@Nullable Object> repeatItems(Frame frame, List<?> items, int times) {
    frame.charge(16L * items.size() * times);
    List<@Nullable Object> all = new ArrayList<>();
    for (int i = 0; i < times && !items.isEmpty(); i++) {
      all.addAll(items);
    }
    return all;
  }

  static Object negate(Frame frame, @Nullable Object value, boolean minus) {
    frame.requireDefined(value);
    return switch (Values.number(value)) {
      case Long number -> minus ? Math.negateExact(number) : (Object) number;
      case Double number -> minus ? -number : (Object) number;
      case null, default ->
          throw frame.error("bad operand type for unary -: '" + Values.typeName(value) + "'");
    };
  }

  static boolean compare(Frame frame, String operator, @Nullable Object a, @Nullable Object b) {
    return switch (operator) {
      case "==" -> Values.equal(a, b);
      case "!=" -> !Values.equal(a, b);
      case "in" -> Values.contains(frame, b, a);
      case "not in" -> !Values.contains(frame, b, a);
      case "<" -> Values.compare(frame, a, b, operator) < 0;
      case "<=" -> Values.compare(frame, a, b, operator) <= 0;
      case ">" -> Values.compare(frame, a, b, operator) > 0;
      default -> Values.compare(frame, a, b, operator) >= 0;
    };
  }
}

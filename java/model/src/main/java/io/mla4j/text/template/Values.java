package io.mla4j.text.template;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The values of a template and what Python does with them: null is None, and the others are
 * Boolean, Long, Double, BigInteger, String, List, {@link Tuple}, Map, {@link Namespace}, {@link
 * Undefined}, {@link Loop} and {@link Callable}.
 */
final class Values {
  private static final int MOST_NESTED = 100;

  private Values() {}

  /** A copy of plain values, which a template may see. */
  static @Nullable Object copy(@Nullable Object value) {
    return copy(value, 0);
  }

  private static @Nullable Object copy(@Nullable Object value, int depth) {
    if (depth > MOST_NESTED) {
      throw new TemplateException("values for a template are nested more than " + MOST_NESTED);
    }
    return switch (value) {
      case null -> null;
      case Boolean _, Long _, Double _, String _ -> value;
      case Integer number -> number.longValue();
      case Float number -> number.doubleValue();
      case BigInteger number -> number.bitLength() < 64 ? (Object) number.longValue() : number;
      case List<?> list -> {
        List<@Nullable Object> copy = new ArrayList<>(list.size());
        for (Object item : list) {
          copy.add(copy(item, depth + 1));
        }
        yield copy;
      }
      case Map<?, ?> map -> {
        Map<@Nullable Object, @Nullable Object> copy = LinkedHashMap.newLinkedHashMap(map.size());
        map.forEach((key, item) -> copy.put(copy(key, depth + 1), copy(item, depth + 1)));
        yield copy;
      }
      default ->
          throw new TemplateException(
              "a " + value.getClass().getName() + " is no value for a template");
    };
  }

  static String typeName(@Nullable Object value) {
    return switch (value) {
      case null -> "NoneType";
      case Boolean _ -> "bool";
      case Long _, BigInteger _ -> "int";
      case Double _ -> "float";
      case String _ -> "str";
      case List<?> _ -> "list";
      case Tuple _ -> "tuple";
      case Map<?, ?> _ -> "dict";
      case Namespace _ -> "Namespace";
      case Undefined _ -> "Undefined";
      case Loop _ -> "LoopContext";
      default -> "function";
    };
  }

  static boolean isTrue(@Nullable Object value) {
    return switch (value) {
      case null -> false;
      case Boolean flag -> flag;
      case Long number -> number != 0;
      case Double number -> number != 0;
      case String text -> !text.isEmpty();
      case List<?> list -> !list.isEmpty();
      case Tuple tuple -> !tuple.items().isEmpty();
      case Map<?, ?> map -> !map.isEmpty();
      case Undefined _ -> false;
      default -> true;
    };
  }

  /** A number, true and false among them, or null. */
  static @Nullable Number number(@Nullable Object value) {
    return switch (value) {
      case Boolean flag -> flag ? 1L : 0L;
      case Long number -> number;
      case Double number -> number;
      case BigInteger number -> number;
      case null, default -> null;
    };
  }

  static boolean equal(@Nullable Object a, @Nullable Object b) {
    Number left = number(a);
    Number right = number(b);
    if (left != null && right != null) {
      return left instanceof Double || right instanceof Double
          ? left.doubleValue() == right.doubleValue()
          : left.equals(right);
    }
    return switch (a) {
      case null -> b == null;
      case List<?> list -> b instanceof List<?> other && equalItems(list, other);
      case Tuple tuple -> b instanceof Tuple other && equalItems(tuple.items(), other.items());
      case Map<?, ?> map -> b instanceof Map<?, ?> other && equalEntries(map, other);
      case Undefined _ -> b instanceof Undefined;
      case String text -> text.equals(b);
      default -> a == b;
    };
  }

  private static boolean equalItems(List<?> a, List<?> b) {
    if (a.size() != b.size()) {
      return false;
    }
    Iterator<?> other = b.iterator();
    for (Object item : a) {
      if (!equal(item, other.next())) {
        return false;
      }
    }
    return true;
  }

  private static boolean equalEntries(Map<?, ?> a, Map<?, ?> b) {
    if (a.size() != b.size()) {
      return false;
    }
    for (Map.Entry<?, ?> entry : a.entrySet()) {
      if (!b.containsKey(entry.getKey()) || !equal(entry.getValue(), b.get(entry.getKey()))) {
        return false;
      }
    }
    return true;
  }

  /** Below, at or above 0, as {@code a} is to {@code b}. */
  static int compare(Frame frame, @Nullable Object a, @Nullable Object b, String operator) {
    Number left = number(a);
    Number right = number(b);
    if (left instanceof Long l && right instanceof Long r) {
      return Long.compare(l, r);
    }
    if (left != null && right != null) {
      return Double.compare(left.doubleValue(), right.doubleValue());
    }
    if (a instanceof String l && b instanceof String r) {
      return compareTexts(l, r);
    }
    List<?> l = a instanceof Tuple tuple ? tuple.items() : a instanceof List<?> list ? list : null;
    List<?> r = b instanceof Tuple tuple ? tuple.items() : b instanceof List<?> list ? list : null;
    if (l == null || r == null || a instanceof Tuple != b instanceof Tuple) {
      frame.requireDefined(a);
      frame.requireDefined(b);
      throw frame.error(
          "'"
              + operator
              + "' not supported between instances of '"
              + typeName(a)
              + "' and '"
              + typeName(b)
              + "'");
    }
    for (int i = 0; i < Math.min(l.size(), r.size()); i++) {
      if (!equal(l.get(i), r.get(i))) {
        return compare(frame, l.get(i), r.get(i), operator);
      }
    }
    return Integer.compare(l.size(), r.size());
  }

  /** By code points. */
  private static int compareTexts(String a, String b) {
    int same = 0;
    while (same < Math.min(a.length(), b.length()) && a.charAt(same) == b.charAt(same)) {
      same++;
    }
    if (same == Math.min(a.length(), b.length())) {
      return Integer.compare(a.length(), b.length());
    }
    boolean middle = same > 0 && Character.isHighSurrogate(a.charAt(same - 1));
    int at = middle ? same - 1 : same;
    return Integer.compare(a.codePointAt(at), b.codePointAt(at));
  }

  /** What a loop over {@code value} runs over. */
  static List<?> iterate(Frame frame, @Nullable Object value) {
    return switch (value) {
      case List<?> list -> list;
      case Tuple tuple -> tuple.items();
      case String text -> {
        frame.charge(text.length());
        yield Texts.characters(text);
      }
      case Map<?, ?> map -> List.copyOf(map.keySet());
      case Undefined _ -> List.of();
      case null, default -> throw frame.error("'" + typeName(value) + "' object is not iterable");
    };
  }

  static boolean isIterable(@Nullable Object value) {
    return value instanceof List<?>
        || value instanceof Tuple
        || value instanceof String
        || value instanceof Map<?, ?>
        || value instanceof Undefined;
  }

  static long length(Frame frame, @Nullable Object value) {
    return switch (value) {
      case String text -> Texts.length(text);
      case List<?> list -> list.size();
      case Tuple tuple -> tuple.items().size();
      case Map<?, ?> map -> map.size();
      case Undefined _ -> 0;
      case null, default ->
          throw frame.error("object of type '" + typeName(value) + "' has no len()");
    };
  }

  static boolean contains(Frame frame, @Nullable Object container, @Nullable Object item) {
    if (container instanceof String text) {
      if (item instanceof String part) {
        return text.contains(part);
      }
      throw frame.error("'in <string>' requires string as left operand, not " + typeName(item));
    }
    if (container instanceof Map<?, ?> map) {
      return map.containsKey(item);
    }
    for (Object each : iterate(frame, container)) {
      if (equal(each, item)) {
        return true;
      }
    }
    return false;
  }
}

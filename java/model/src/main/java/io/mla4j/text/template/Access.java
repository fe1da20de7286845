package io.mla4j.text.template;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Attributes, items and slices. What is not there is undefined, not an error. */
final class Access {
  private Access() {}

  /** {@code of.name}: a method before an item. */
  static @Nullable Object attribute(Frame frame, @Nullable Object of, String name) {
    if (of instanceof Namespace namespace) {
      return namespace.names().containsKey(name)
          ? namespace.names().get(name)
          : Undefined.attribute(of, name);
    }
    Object found = ownAttribute(frame, of, name);
    if (found == null && of instanceof Map<?, ?> map && map.containsKey(name)) {
      return map.get(name);
    }
    return found == null ? Undefined.attribute(of, name) : found;
  }

  /** An attribute that is no item, or null. */
  private static @Nullable Object ownAttribute(Frame frame, @Nullable Object of, String name) {
    frame.requireDefined(of);
    return switch (of) {
      case Loop loop -> loop.attribute(name);
      case String text -> StringMethods.find(text, name);
      case List<?> list -> CollectionMethods.of(list, name);
      case Tuple tuple -> CollectionMethods.of(tuple, name);
      case Map<?, ?> map -> CollectionMethods.of(map, name);
      case null, default -> null;
    };
  }

  /** {@code of[key]}: an item before an attribute. */
  static @Nullable Object item(Frame frame, @Nullable Object of, @Nullable Object key) {
    frame.requireDefined(of);
    if (of instanceof Map<?, ?> map && map.containsKey(key)) {
      return map.get(key);
    }
    if (of instanceof Namespace && key instanceof String name) {
      return attribute(frame, of, name);
    }
    if (isWhole(key) && Values.number(key) instanceof Number number) {
      long index = number.longValue();
      if (of instanceof String text) {
        long at = index < 0 ? index + Texts.length(text) : index;
        if (at >= 0 && at < Texts.length(text)) {
          return Character.toString(text.codePointAt(text.offsetByCodePoints(0, (int) at)));
        }
      }
      List<?> items =
          of instanceof Tuple tuple ? tuple.items() : of instanceof List<?> l ? l : null;
      if (items != null) {
        long at = index < 0 ? index + items.size() : index;
        if (at >= 0 && at < items.size()) {
          return items.get((int) at);
        }
      }
    }
    Object found = key instanceof String name ? ownAttribute(frame, of, name) : null;
    return found == null ? Undefined.attribute(of, key) : found;
  }

  static Object slice(
      Frame frame,
      @Nullable Object of,
      @Nullable Object from,
      @Nullable Object to,
      @Nullable Object step) {
    frame.requireDefined(of);
    return switch (of) {
      case String text -> {
        StringBuilder out = new StringBuilder();
        for (Object c : slice(frame, Values.iterate(frame, text), from, to, step)) {
          out.append(c);
        }
        yield out.toString();
      }
      case Tuple tuple -> new Tuple(slice(frame, tuple.items(), from, to, step));
      case List<?> list -> slice(frame, list, from, to, step);
      case null, default ->
          throw frame.error("'" + Values.typeName(of) + "' object cannot be sliced");
    };
  }

  private static List<@Nullable Object> slice(
      Frame frame,
      List<?> items,
      @Nullable Object from,
      @Nullable Object to,
      @Nullable Object step) {
    long by = step == null ? 1 : index(frame, step);
    if (by == 0) {
      throw frame.error("slice step cannot be zero");
    }
    int size = items.size();
    long low = by > 0 ? 0 : -1;
    long high = by > 0 ? size : size - 1L;
    long begin = from == null ? (by > 0 ? low : high) : bound(index(frame, from), size, low, high);
    long end = to == null ? (by > 0 ? high : low) : bound(index(frame, to), size, low, high);
    frame.charge(16L * size);
    List<@Nullable Object> part = new ArrayList<>();
    for (long i = begin; by > 0 ? i < end : i > end; i += Math.clamp(by, -size - 1L, size + 1L)) {
      part.add(items.get((int) i));
    }
    return part;
  }

  private static boolean isWhole(@Nullable Object value) {
    return value instanceof Long || value instanceof Boolean;
  }

  private static long bound(long index, int size, long low, long high) {
    return Math.clamp(index < 0 ? index + size : index, low, high);
  }

  private static long index(Frame frame, @Nullable Object value) {
    if (isWhole(value) && Values.number(value) instanceof Number number) {
      return Math.clamp(number.longValue(), -(1L << 40), 1L << 40);
    }
    frame.requireDefined(value);
    throw frame.error("slice indices must be integers, not '" + Values.typeName(value) + "'");
  }
}

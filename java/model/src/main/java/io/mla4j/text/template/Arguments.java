package io.mla4j.text.template;

import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Arguments of a call, by place and by name. */
record Arguments(List<@Nullable Object> places, Map<String, @Nullable Object> names) {
  static final Arguments NONE = new Arguments(List.of(), Map.of());

  /** Checks that there are no more than {@code known}. */
  Arguments only(Frame frame, String function, String... known) {
    if (places.size() > known.length) {
      throw frame.error(
          function + " takes at most " + known.length + " arguments, not " + places.size());
    }
    Set<String> unknown = new HashSet<>(names.keySet());
    unknown.removeAll(Set.of(known));
    if (!unknown.isEmpty()) {
      throw frame.error(function + " has no argument " + unknown.iterator().next());
    }
    return this;
  }

  /** The argument at {@code place} or called {@code name}, or else {@code absent}. */
  @Nullable Object get(int place, String name, @Nullable Object absent) {
    if (place < places.size()) {
      return places.get(place);
    }
    return names.getOrDefault(name, absent);
  }

  boolean has(int place, String name) {
    return place < places.size() || names.containsKey(name);
  }

  String text(Frame frame, int place, String name) {
    if (get(place, name, null) instanceof String text) {
      return text;
    }
    throw frame.error("argument '" + name + "' must be a text");
  }

  /** A whole number that fits an int. */
  int number(Frame frame, int place, String name, int absent) {
    Object value = get(place, name, (long) absent);
    if (value instanceof Long number && number == number.intValue()) {
      return number.intValue();
    }
    throw frame.error("argument '" + name + "' must be a whole number");
  }

  boolean flag(int place, String name, boolean absent) {
    return Values.isTrue(get(place, name, absent));
  }
}

package io.mla4j.text.template;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/** Filters of lists. */
final class ListFilters {
  private ListFilters() {}

  static @Nullable Object apply(
      Frame frame, String name, @Nullable Object value, Arguments arguments) {
    return switch (name) {
      case "items" -> items(frame, value);
      case "first", "last" -> end(name, Values.iterate(frame, value));
      case "list" -> Filters.list(Values.iterate(frame, value));
      case "join" -> join(frame, value, arguments);
      case "reverse" -> reverse(frame, value);
      case "map" -> map(frame, some(frame, value), arguments);
      case "select", "reject" ->
          select(frame, value, name.equals("select"), test(frame, arguments, 0));
      case "selectattr", "rejectattr" -> {
        Function<@Nullable Object, @Nullable Object> attribute =
            getter(frame, arguments.get(0, "attribute", null));
        Predicate<@Nullable Object> test = test(frame, arguments, 1);
        yield select(
            frame, value, name.equals("selectattr"), item -> test.test(attribute.apply(item)));
      }
      case "sort" -> sort(frame, value, arguments);
      case "dictsort" -> sortEntries(frame, value, arguments);
      case "unique" -> unique(frame, value, arguments);
      case "groupby" -> group(frame, value, arguments);
      case "min", "max" -> extreme(frame, name, value, arguments);
      case "sum" -> sum(frame, value, arguments);
      case "batch" -> batch(frame, value, arguments);
      case "slice" -> slice(frame, value, arguments);
      default -> throw frame.error("no filter named '" + name + "'");
    };
  }

  /** The items of a list; none of what counts as false, as None. */
  private static List<?> some(Frame frame, @Nullable Object value) {
    return Values.isTrue(value) ? Values.iterate(frame, value) : List.of();
  }

  private static Object items(Frame frame, @Nullable Object value) {
    return switch (value) {
      case Undefined _ -> List.of();
      case Map<?, ?> map -> CollectionMethods.items(map);
      case null, default -> throw frame.error("can only get item pairs from a mapping");
    };
  }

  private static @Nullable Object end(String name, List<?> items) {
    if (items.isEmpty()) {
      return new Undefined("no " + name + " item, sequence was empty");
    }
    return name.equals("first") ? items.getFirst() : items.getLast();
  }

  private static Object join(Frame frame, @Nullable Object value, Arguments arguments) {
    String between = Texts.str(arguments.get(0, "d", ""));
    Function<@Nullable Object, @Nullable Object> attribute =
        getter(frame, arguments.get(1, "attribute", null));
    StringBuilder out = new StringBuilder();
    String separator = "";
    for (Object item : Values.iterate(frame, value)) {
      String text = Texts.str(attribute.apply(item));
      frame.charge(separator.length() + (long) text.length());
      out.append(separator).append(text);
      separator = between;
    }
    return out.toString();
  }

  private static Object reverse(Frame frame, @Nullable Object value) {
    if (value instanceof String text) {
      return new StringBuilder(text).reverse().toString();
    }
    List<@Nullable Object> reversed = Filters.list(Values.iterate(frame, value));
    Collections.reverse(reversed);
    return reversed;
  }

  private static Object map(Frame frame, List<?> items, Arguments arguments) {
    Function<@Nullable Object, @Nullable Object> function;
    if (arguments.places().isEmpty()) {
      Function<@Nullable Object, @Nullable Object> attribute =
          getter(frame, arguments.names().get("attribute"));
      Object absent = arguments.names().get("default");
      function =
          item -> {
            Object found = attribute.apply(item);
            return found instanceof Undefined && absent != null ? absent : found;
          };
    } else {
      String filter = arguments.text(frame, 0, "filter");
      Arguments rest =
          new Arguments(
              arguments.places().subList(1, arguments.places().size()), arguments.names());
      function = item -> Filters.apply(frame, filter, item, rest);
    }
    List<@Nullable Object> mapped = new ArrayList<>();
    for (Object item : items) {
      mapped.add(function.apply(item));
    }
    return mapped;
  }

  private static Predicate<@Nullable Object> test(Frame frame, Arguments arguments, int place) {
    if (arguments.places().size() <= place) {
      return Values::isTrue;
    }
    String name = Texts.str(arguments.places().get(place));
    Arguments rest =
        new Arguments(arguments.places().subList(place + 1, arguments.places().size()), Map.of());
    return value -> Tests.apply(frame, name, value, rest);
  }

  private static Object select(
      Frame frame, @Nullable Object value, boolean wanted, Predicate<@Nullable Object> test) {
    List<@Nullable Object> selected = new ArrayList<>();
    for (Object item : some(frame, value)) {
      if (test.test(item) == wanted) {
        selected.add(item);
      }
    }
    return selected;
  }

  /** Reads an attribute that may have dots, or the value itself where there is none. */
  private static Function<@Nullable Object, @Nullable Object> getter(
      Frame frame, @Nullable Object attribute) {
    if (attribute == null) {
      return item -> item;
    }
    String[] parts = Texts.str(attribute).split("\\.");
    return item -> {
      Object value = item;
      for (String part : parts) {
        boolean index = part.matches("\\d{1,9}");
        value = Access.item(frame, value, index ? (Object) Long.valueOf(part) : part);
      }
      return value;
    };
  }

  /** As it is, or in lower case where case does not count. */
  private static Function<@Nullable Object, @Nullable Object> key(
      Frame frame, @Nullable Object attribute, boolean caseSensitive) {
    Function<@Nullable Object, @Nullable Object> get = getter(frame, attribute);
    return item ->
        get.apply(item) instanceof String text && !caseSensitive
            ? text.toLowerCase(Locale.ROOT)
            : get.apply(item);
  }

  private static Comparator<@Nullable Object> order(
      Frame frame, Function<@Nullable Object, @Nullable Object> key, boolean reverse) {
    Comparator<@Nullable Object> order =
        (a, b) -> Values.compare(frame, key.apply(a), key.apply(b), "<");
    return reverse ? order.reversed() : order;
  }

  private static Object sort(Frame frame, @Nullable Object value, Arguments arguments) {
    List<@Nullable Object> sorted = Filters.list(Values.iterate(frame, value));
    Function<@Nullable Object, @Nullable Object> key =
        key(frame, arguments.get(2, "attribute", null), arguments.flag(1, "case_sensitive", false));
    sorted.sort(order(frame, key, arguments.flag(0, "reverse", false)));
    return sorted;
  }

  private static Object sortEntries(Frame frame, @Nullable Object value, Arguments arguments) {
    if (!(value instanceof Map<?, ?> map)) {
      throw frame.error("dictsort needs a mapping, not '" + Values.typeName(value) + "'");
    }
    long by = Texts.str(arguments.get(1, "by", "key")).equals("value") ? 1 : 0;
    List<@Nullable Object> sorted = CollectionMethods.items(map);
    Function<@Nullable Object, @Nullable Object> key =
        key(frame, Long.toString(by), arguments.flag(0, "case_sensitive", false));
    sorted.sort(order(frame, key, arguments.flag(2, "reverse", false)));
    return sorted;
  }

  private static Object unique(Frame frame, @Nullable Object value, Arguments arguments) {
    Function<@Nullable Object, @Nullable Object> key =
        key(frame, arguments.get(1, "attribute", null), arguments.flag(0, "case_sensitive", false));
    HashSet<@Nullable Object> seen = new HashSet<>();
    List<@Nullable Object> unique = new ArrayList<>();
    for (Object item : Values.iterate(frame, value)) {
      if (seen.add(key.apply(item))) {
        unique.add(item);
      }
    }
    return unique;
  }

  private static Object group(Frame frame, @Nullable Object value, Arguments arguments) {
    Function<@Nullable Object, @Nullable Object> key =
        key(frame, arguments.get(0, "attribute", null), arguments.flag(2, "case_sensitive", false));
    List<@Nullable Object> sorted = Filters.list(Values.iterate(frame, value));
    sorted.sort(order(frame, key, false));
    Map<@Nullable Object, List<@Nullable Object>> groups = new LinkedHashMap<>();
    sorted.forEach(
        item -> groups.computeIfAbsent(key.apply(item), _ -> new ArrayList<>()).add(item));
    return CollectionMethods.items(groups);
  }

  private static @Nullable Object extreme(
      Frame frame, String name, @Nullable Object value, Arguments arguments) {
    List<@Nullable Object> items = Filters.list(Values.iterate(frame, value));
    if (items.isEmpty()) {
      return new Undefined("no aggregated item, sequence was empty");
    }
    Function<@Nullable Object, @Nullable Object> key =
        key(frame, arguments.get(1, "attribute", null), arguments.flag(0, "case_sensitive", false));
    // The first of equal ones.
    items.sort(order(frame, key, name.equals("max")));
    return items.getFirst();
  }

  private static @Nullable Object sum(Frame frame, @Nullable Object value, Arguments arguments) {
    Function<@Nullable Object, @Nullable Object> attribute =
        getter(frame, arguments.get(0, "attribute", null));
    Object sum = arguments.get(1, "start", 0L);
    for (Object item : Values.iterate(frame, value)) {
      sum = Operators.apply(frame, "+", sum, attribute.apply(item));
    }
    return sum;
  }

  private static Object batch(Frame frame, @Nullable Object value, Arguments arguments) {
    int count = Math.max(1, arguments.number(frame, 0, "linecount", 1));
    Object fill = arguments.get(1, "fill_with", null);
    List<@Nullable Object> items = Filters.list(Values.iterate(frame, value));
    List<@Nullable Object> batches = new ArrayList<>();
    for (int i = 0; i < items.size(); i += count) {
      List<@Nullable Object> batch =
          Filters.list(items.subList(i, Math.min(items.size(), i + count)));
      frame.charge(16L * count);
      while (fill != null && batch.size() < count) {
        batch.add(fill);
      }
      batches.add(batch);
    }
    return batches;
  }

  private static Object slice(Frame frame, @Nullable Object value, Arguments arguments) {
    int count = Math.clamp(arguments.number(frame, 0, "slices", 1), 1, 100_000);
    Object fill = arguments.get(1, "fill_with", null);
    List<@Nullable Object> items = Filters.list(Values.iterate(frame, value));
    List<@Nullable Object> slices = new ArrayList<>();
    int longer = items.size() % count;
    int begin = 0;
    for (int i = 0; i < count; i++) {
      int end = begin + items.size() / count + (i < longer ? 1 : 0);
      List<@Nullable Object> slice = Filters.list(items.subList(begin, end));
      if (fill != null && i >= longer && longer > 0) {
        slice.add(fill);
      }
      slices.add(slice);
      begin = end;
    }
    return slices;
  }
}

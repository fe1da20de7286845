package io.mla4j.text.template;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Methods of lists, tuples and dictionaries that change nothing; the others are refused. */
final class CollectionMethods {
  private CollectionMethods() {}

  private static Callable refused(String type, String name) {
    return (frame, _) -> {
      throw frame.error(type + "." + name + " changes a value, which a template may not");
    };
  }

  static @Nullable Callable of(List<?> list, String name) {
    return switch (name) {
      case "index", "count" -> search(list, name);
      case "copy" -> (_, _) -> new ArrayList<@Nullable Object>(list);
      case "append", "extend", "insert", "remove", "pop", "clear", "reverse", "sort" ->
          refused("list", name);
      default -> null;
    };
  }

  static @Nullable Callable of(Tuple tuple, String name) {
    return name.equals("index") || name.equals("count") ? search(tuple.items(), name) : null;
  }

  private static Callable search(List<?> items, String name) {
    return (frame, arguments) -> {
      Object wanted = arguments.get(0, "", null);
      long count = 0;
      for (int i = 0; i < items.size(); i++) {
        if (Values.equal(items.get(i), wanted)) {
          if (name.equals("index")) {
            return (long) i;
          }
          count++;
        }
      }
      if (name.equals("index")) {
        throw frame.error(Texts.repr(wanted) + " is not in list");
      }
      return count;
    };
  }

  static @Nullable Callable of(Map<?, ?> map, String name) {
    return switch (name) {
      case "get" ->
          (_, arguments) -> {
            Object key = arguments.get(0, "", null);
            return map.containsKey(key) ? map.get(key) : arguments.get(1, "default", null);
          };
      case "items" -> (_, _) -> items(map);
      case "keys" -> (_, _) -> new ArrayList<@Nullable Object>(map.keySet());
      case "values" -> (_, _) -> new ArrayList<@Nullable Object>(map.values());
      case "copy" -> (_, _) -> new LinkedHashMap<@Nullable Object, @Nullable Object>(map);
      case "clear", "pop", "popitem", "setdefault", "update" -> refused("dict", name);
      default -> null;
    };
  }

  static List<@Nullable Object> items(Map<?, ?> map) {
    List<@Nullable Object> items = new ArrayList<>(map.size());
    map.forEach((key, value) -> items.add(Tuple.of(key, value)));
    return items;
  }
}

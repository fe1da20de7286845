package io.mla4j.text.template;

import java.util.LinkedHashMap;
import java.util.Map;

/** What {@code namespace(...)} makes: names that loops can set for what comes after them. */
record Namespace(Map<Object, Object> names) {
  Namespace() {
    this(new LinkedHashMap<>());
  }
}

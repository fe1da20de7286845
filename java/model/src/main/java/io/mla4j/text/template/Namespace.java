package io.mla4j.text.template;

import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What {@code namespace(...)} makes: names that loops can set for what comes after them. */
record Namespace(Map<@Nullable Object, @Nullable Object> names) {
  Namespace() {
    this(new LinkedHashMap<>());
  }
}

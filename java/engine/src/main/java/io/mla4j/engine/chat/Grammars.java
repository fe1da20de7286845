package io.mla4j.engine.chat;

import io.mla4j.engine.json.Grammar;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The grammars of schemas that were asked for last, since a program asks for the same again. */
final class Grammars {
  private static final int MOST = 16;

  private final LinkedHashMap<Map<String, Object>, Grammar> last =
      new LinkedHashMap<>(16, 0.75f, true);
  private @Nullable Grammar anyObject;

  synchronized Grammar anyObject() {
    Grammar known = anyObject;
    if (known == null) {
      known = Grammar.anyObject();
      anyObject = known;
    }
    return known;
  }

  synchronized Grammar schema(Map<String, Object> schema) {
    Grammar known = last.get(schema);
    if (known == null) {
      known = Grammar.schema(schema);
      last.put(schema, known);
      if (last.size() > MOST) {
        last.pollFirstEntry();
      }
    }
    return known;
  }
}

package io.mla4j.engine.chat;

import io.mla4j.InvalidArgumentException;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A function that the model may wish to have called.
 *
 * @param name of the function
 * @param description what it does; may be null
 * @param parameters the JSON schema of its arguments, in plain values (Map, List, String, Number,
 *     Boolean, null); an empty map where it has none
 */
public record Tool(String name, @Nullable String description, Map<String, Object> parameters) {
  /**
   * Copies the schema's first level.
   *
   * @throws InvalidArgumentException where there is no name or schema
   */
  public Tool {
    if (name == null || name.isEmpty() || parameters == null) {
      throw new InvalidArgumentException("a tool needs a name and a schema of its parameters");
    }
    parameters = Collections.unmodifiableMap(new LinkedHashMap<>(parameters));
  }
}

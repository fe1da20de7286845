package io.mla4j.engine.chat;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/** What an answer's content is. */
public sealed interface ResponseFormat {
  /** Anything. */
  ResponseFormat TEXT = new Text();

  /** A JSON object, whatever is in it. */
  ResponseFormat JSON_OBJECT = new JsonObject();

  /** A JSON value that a schema allows; see {@link io.mla4j.engine.json.Grammar#schema}. */
  static ResponseFormat schema(Map<String, Object> schema) {
    return new JsonSchema(schema);
  }

  /** Anything. */
  record Text() implements ResponseFormat {}

  /** A JSON object. */
  record JsonObject() implements ResponseFormat {}

  /**
   * What a schema allows.
   *
   * @param schema in plain values
   */
  record JsonSchema(Map<String, Object> schema) implements ResponseFormat {
    /** Copies the first level. */
    public JsonSchema {
      schema = Collections.unmodifiableMap(new LinkedHashMap<>(schema));
    }
  }
}

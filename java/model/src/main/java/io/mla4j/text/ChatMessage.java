package io.mla4j.text;

import io.mla4j.InvalidArgumentException;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A message of a conversation, as chat templates know it.
 *
 * @param role who says it: system, user, assistant, tool, or what else the template knows
 * @param content what is said; null where the message has only {@code more}
 * @param more what else the template may read, in the words of transformers: {@code
 *     reasoning_content}, {@code tool_calls}, {@code tool_call_id}, {@code name}; plain values
 */
public record ChatMessage(String role, @Nullable String content, Map<String, Object> more) {
  /**
   * Checks the names.
   *
   * @throws InvalidArgumentException where {@code more} has a role or content of its own
   */
  public ChatMessage {
    if (more.containsKey("role") || more.containsKey("content")) {
      throw new InvalidArgumentException("more holds role or content, which stand beside it");
    }
    more = Collections.unmodifiableMap(new LinkedHashMap<>(more));
  }

  /** What the model is told to be. */
  public static ChatMessage system(String content) {
    return new ChatMessage("system", content, Map.of());
  }

  /** What a person says. */
  public static ChatMessage user(String content) {
    return new ChatMessage("user", content, Map.of());
  }

  /** What the model answered. */
  public static ChatMessage assistant(String content) {
    return new ChatMessage("assistant", content, Map.of());
  }

  /** The same with another value for the template. */
  public ChatMessage with(String key, Object value) {
    Map<String, Object> all = new LinkedHashMap<>(more);
    all.put(key, value);
    return new ChatMessage(role, content, all);
  }

  /** What a template sees. */
  Map<String, @Nullable Object> values() {
    Map<String, @Nullable Object> values = new LinkedHashMap<>();
    values.put("role", role);
    values.put("content", content);
    values.putAll(more);
    return values;
  }

  /** Whether the model said it. */
  public boolean isAnswer() {
    return role.equals("assistant");
  }
}

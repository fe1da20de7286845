package io.mla4j.engine.chat;

import io.mla4j.InvalidArgumentException;

/**
 * The wish to have a tool called.
 *
 * @param id by which the tool's answer names it
 * @param name of the tool
 * @param arguments a JSON object, as text; what the model wrote instead where it went wrong behind
 *     the object's beginning, or where its text was cut off
 */
public record ToolCall(String id, String name, String arguments) {
  /** Checks that there is a name. */
  public ToolCall {
    if (id == null || name == null || name.isEmpty() || arguments == null) {
      throw new InvalidArgumentException("a tool call needs an id, a name and arguments");
    }
  }
}

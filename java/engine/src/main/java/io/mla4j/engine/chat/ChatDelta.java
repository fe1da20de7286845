package io.mla4j.engine.chat;

/** What a piece of text adds to an answer. */
public sealed interface ChatDelta {
  /** More content. */
  record Content(String text) implements ChatDelta {}

  /** More of what the model thinks before it answers. */
  record Reasoning(String text) implements ChatDelta {}

  /**
   * Another tool call.
   *
   * @param index of the call in its answer, from 0
   */
  record CallStart(int index, String id, String name) implements ChatDelta {}

  /**
   * More of the arguments, a JSON object, of the call that started last: all of its pieces are it.
   */
  record CallArguments(int index, String text) implements ChatDelta {}
}

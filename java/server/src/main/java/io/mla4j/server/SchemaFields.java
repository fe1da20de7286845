package io.mla4j.server;

import io.mla4j.InvalidArgumentException;
import io.mla4j.engine.chat.ChatRequest;

/** Finds the field whose schema was refused: the engine knows only what is in it. */
final class SchemaFields {
  private SchemaFields() {}

  /**
   * The refusal with its field; {@code e} itself where no schema is the reason.
   *
   * @param input where the conversation came from
   */
  static RuntimeException named(ChatRequest chat, String input, InvalidArgumentException e) {
    boolean responses = input.equals("input");
    if (e.getMessage().startsWith("the schema")) {
      return named(responses ? "text.format" : "response_format", e);
    }
    for (int i = 0; i < chat.tools().size(); i++) {
      if (e.getMessage().startsWith("the tool " + chat.tools().get(i).name() + ": ")) {
        return named("tools[" + i + "]" + (responses ? "" : ".function") + ".parameters", e);
      }
    }
    return e;
  }

  private static ApiException named(String field, InvalidArgumentException e) {
    return ApiException.field(field, field + ": " + e.getMessage());
  }
}

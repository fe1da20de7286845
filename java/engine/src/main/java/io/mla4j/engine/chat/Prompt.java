package io.mla4j.engine.chat;

/** A conversation as a model reads it, made by {@link ChatCodec#render}. Immutable. */
public final class Prompt {
  private final int[] ids;
  private final String text;
  private final ChatRequest request;

  /** How the ids of tool calls begin that the model does not name itself. */
  private final String callIds;

  Prompt(int[] ids, String text, ChatRequest request, String callIds) {
    this.ids = ids;
    this.text = text;
    this.request = request;
    this.callIds = callIds;
  }

  /** The tokens, BOS included where the template writes it. */
  public int[] ids() {
    return ids.clone();
  }

  /** The same as text. */
  public String text() {
    return text;
  }

  /** What it was made of. */
  public ChatRequest request() {
    return request;
  }

  String callIds() {
    return callIds;
  }
}

package io.mla4j.engine.chat;

import io.mla4j.InvalidArgumentException;
import io.mla4j.engine.Engine;
import io.mla4j.engine.Request;

/** Conversations over an engine. Thread-safe; one is made for an engine and kept. */
public final class Chats {
  private final Engine engine;
  private final ChatCodec codec;

  /**
   * Those over {@code engine}, which stays the caller's.
   *
   * @throws InvalidArgumentException where its model has no tokenizer
   */
  public Chats(Engine engine) {
    this.engine = engine;
    codec = ChatCodec.of(engine.model());
  }

  /** How the model writes conversations. */
  public ChatCodec codec() {
    return codec;
  }

  /**
   * Continues a conversation.
   *
   * @param how everything but the prompt, the constraint, whether special tokens are kept and that
   *     it is a conversation, which are set here
   * @throws InvalidArgumentException naming what of the request makes no sense or is not supported,
   *     or does not fit
   * @throws io.mla4j.text.template.TemplateException where the template refuses the messages
   * @throws io.mla4j.engine.QueueFullException where too many requests wait
   */
  public ChatAnswer submit(ChatRequest request, Request.Builder how) {
    return submit(codec.render(request), how);
  }

  /**
   * As above, for a conversation that {@link #codec} has rendered already.
   *
   * @throws InvalidArgumentException naming what is not supported, or does not fit
   * @throws io.mla4j.engine.QueueFullException where too many requests wait
   */
  public ChatAnswer submit(Prompt prompt, Request.Builder how) {
    how.prompt(prompt.ids())
        .keepSpecial(true)
        .conversation(true)
        .constraint(codec.constraint(prompt).orElse(null));
    return new ParsedAnswer(codec, prompt, engine.submit(how.build()));
  }
}

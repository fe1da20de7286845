package io.mla4j.langchain4j;

import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import java.util.UUID;

/**
 * A model in this process for LangChain4j whose answers come piece by piece: text, thinking and
 * tool calls.
 *
 * <p>An answer has a virtual thread of its own, which makes all calls of its handler. The handler's
 * StreamingHandle cancels it: the engine stops within a step, and nothing more is called. Errors
 * are those of {@link Mla4jChatModel}; a request that is refused is thrown by {@code chat}, what
 * happens later is told to {@code onError}.
 *
 * <p>Thread-safe.
 */
public final class Mla4jStreamingChatModel extends EngineBacked implements StreamingChatModel {
  private Mla4jStreamingChatModel(Conversations conversations) {
    super(conversations);
  }

  /** A model to be: it needs a path or an engine. */
  public static Builder builder() {
    return new Builder();
  }

  @Override
  public void doChat(ChatRequest request, StreamingChatResponseHandler handler) {
    Stream stream =
        new Stream(
            conversations.submit(request),
            handler,
            UUID.randomUUID().toString(),
            conversations.modelName());
    Thread.ofVirtual().name("mla4j-stream").start(stream);
  }

  /** Makes models. Belongs to one thread. */
  public static final class Builder extends ModelBuilder<Builder> {
    private Builder() {}

    @Override
    Builder self() {
      return this;
    }

    /**
     * The model.
     *
     * @throws io.mla4j.Mla4jException where it cannot be opened
     * @throws dev.langchain4j.exception.UnsupportedFeatureException for defaults that it does not
     *     support
     */
    public Mla4jStreamingChatModel build() {
      return new Mla4jStreamingChatModel(conversations());
    }
  }
}

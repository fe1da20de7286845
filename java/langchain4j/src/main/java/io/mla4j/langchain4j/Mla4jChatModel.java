package io.mla4j.langchain4j;

import dev.langchain4j.exception.InternalServerException;
import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.response.ChatResponse;
import io.mla4j.Mla4jException;
import io.mla4j.engine.chat.ChatAnswer;
import java.util.UUID;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;

/**
 * A model in this process for LangChain4j: answers, tools, JSON of a schema, token usage.
 *
 * <pre>{@code
 * try (Mla4jChatModel model = Mla4jChatModel.builder().model(path).build()) {
 *   System.out.println(model.chat("What is the capital of Germany?"));
 * }
 * }</pre>
 *
 * <p>Requests of many threads are answered together. An interrupt of a waiting thread cancels its
 * answer. Content that is not text, and a model name that is not this model's, are an
 * UnsupportedFeatureException; what the engine refuses is an InvalidRequestException that names the
 * field, a full queue a RateLimitException, a time that is over a TimeoutException.
 *
 * <p>Thread-safe.
 */
public final class Mla4jChatModel extends EngineBacked implements ChatModel {
  private Mla4jChatModel(Conversations conversations) {
    super(conversations);
  }

  /** A model to be: it needs a path or an engine. */
  public static Builder builder() {
    return new Builder();
  }

  @Override
  public ChatResponse doChat(ChatRequest request) {
    ChatAnswer answer = conversations.submit(request);
    try {
      return Responses.of(
          answer.result().get().getFirst(),
          UUID.randomUUID().toString(),
          conversations.modelName());
    } catch (InterruptedException e) {
      answer.cancel();
      Thread.currentThread().interrupt();
      throw new InternalServerException("interrupted while waiting for the answer", e);
    } catch (CancellationException e) {
      throw new InternalServerException(e);
    } catch (ExecutionException e) {
      if (e.getCause() instanceof Mla4jException error) {
        throw Conversations.translated(error);
      }
      throw new InternalServerException(e.getCause());
    }
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
    public Mla4jChatModel build() {
      return new Mla4jChatModel(conversations());
    }
  }
}

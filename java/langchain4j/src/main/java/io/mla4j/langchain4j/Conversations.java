package io.mla4j.langchain4j;

import dev.langchain4j.exception.InternalServerException;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.exception.LangChain4jException;
import dev.langchain4j.exception.RateLimitException;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import io.mla4j.InvalidArgumentException;
import io.mla4j.Mla4jException;
import io.mla4j.engine.Engine;
import io.mla4j.engine.QueueFullException;
import io.mla4j.engine.chat.ChatAnswer;
import io.mla4j.engine.chat.Chats;
import java.util.List;

/** What both models do: requests of LangChain4j become those of an engine. Thread-safe. */
final class Conversations implements AutoCloseable {
  private final Engine engine;
  private final boolean owned;
  private final Chats chats;
  private final ChatRequestParameters defaults;
  private final List<ChatModelListener> listeners;
  private final Generation generation;

  Conversations(
      Engine engine,
      boolean owned,
      ChatRequestParameters defaults,
      List<ChatModelListener> listeners,
      Generation generation) {
    this.engine = engine;
    this.owned = owned;
    this.chats = new Chats(engine);
    this.defaults = defaults;
    this.listeners = listeners;
    this.generation = generation;
  }

  ChatRequestParameters defaults() {
    return defaults;
  }

  List<ChatModelListener> listeners() {
    return listeners;
  }

  String modelName() {
    return engine.model().name();
  }

  /** There is one model, which may be called by its own name. */
  void requireSupported(ChatRequestParameters parameters) {
    String name = parameters.modelName();
    if (name != null && !name.equals(modelName())) {
      throw new UnsupportedFeatureException(
          "modelName "
              + name
              + " is not supported: this is the model "
              + modelName()
              + " and no other");
    }
  }

  /**
   * Begins an answer.
   *
   * @throws UnsupportedFeatureException for content that is not text
   * @throws LangChain4jException where the engine refuses the request
   */
  ChatAnswer submit(ChatRequest request) {
    requireSupported(request.parameters());
    try {
      io.mla4j.engine.chat.ChatRequest.Builder chat = Messages.chat(request);
      if (generation.thinking != null) {
        chat.enableThinking(generation.thinking);
      }
      return chats.submit(chat.build(), generation.request(request.parameters()));
    } catch (Mla4jException e) {
      throw translated(e);
    }
  }

  /** In the terms of LangChain4j, which knows what may be tried again. */
  static LangChain4jException translated(Mla4jException error) {
    return switch (error) {
      case InvalidArgumentException invalid -> new InvalidRequestException(invalid);
      case QueueFullException full -> new RateLimitException(full);
      default -> new InternalServerException(error);
    };
  }

  @Override
  public void close() {
    if (owned) {
      engine.close();
    }
  }
}

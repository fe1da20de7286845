package io.mla4j.langchain4j;

import dev.langchain4j.model.chat.Capability;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import java.util.List;
import java.util.Set;

/** What both kinds of chat models say of themselves, and how they are closed. */
abstract class EngineBacked implements AutoCloseable {
  final Conversations conversations;

  EngineBacked(Conversations conversations) {
    this.conversations = conversations;
  }

  /** What a request that says nothing else is answered with. */
  public ChatRequestParameters defaultRequestParameters() {
    return conversations.defaults();
  }

  /** Who is told of requests and answers. */
  public List<ChatModelListener> listeners() {
    return conversations.listeners();
  }

  /** JSON of a schema. */
  public Set<Capability> supportedCapabilities() {
    return Set.of(Capability.RESPONSE_FORMAT_JSON_SCHEMA);
  }

  /** Closes the engine that it opened; answers that are being written fail. */
  @Override
  public void close() {
    conversations.close();
  }
}

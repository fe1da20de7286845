package io.mla4j.server;

import io.mla4j.InvalidArgumentException;
import io.mla4j.engine.Engine;
import io.mla4j.engine.chat.ChatAnswer;
import io.mla4j.engine.chat.ChatRequest;
import io.mla4j.engine.chat.Chats;
import io.mla4j.engine.chat.Message;
import io.mla4j.engine.chat.Prompt;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;

/** What the routes share. Thread-safe. */
final class Service implements AutoCloseable {
  private final ServerOptions options;
  private final WriteWatch watch;
  private final Counts counts = new Counts();
  private final AtomicInteger calls = new AtomicInteger();
  private final AtomicBoolean stopping = new AtomicBoolean();
  private final long created = Instant.now().getEpochSecond();
  private volatile Loaded loaded;

  /**
   * What is there once the model is.
   *
   * @param chats null where the model has no tokenizer
   */
  private record Loaded(Engine engine, Chats chats, String name, TextBound bound) {}

  Service(ServerOptions options) {
    this.options = options;
    this.watch = new WriteWatch(options.limits().stall());
  }

  /** From now on the model answers. */
  void open(Engine engine) {
    Chats chats = engine.model().hasTokenizer() ? new Chats(engine) : null;
    String name = options.modelName() == null ? engine.model().name() : options.modelName();
    loaded = new Loaded(engine, chats, name, new TextBound(engine));
  }

  /** From now on new requests are refused. */
  void stop() {
    stopping.set(true);
  }

  boolean isStopping() {
    return stopping.get();
  }

  boolean isLoaded() {
    return loaded != null;
  }

  private Loaded loaded() {
    Loaded now = loaded;
    if (now == null) {
      throw ApiException.of(503, null, "the model is being loaded");
    }
    return now;
  }

  /**
   * The engine.
   *
   * @throws ApiException where the model is still being loaded
   */
  Engine engine() {
    return loaded().engine;
  }

  /** What the model is called. */
  String modelName() {
    return loaded().name;
  }

  /** The most tokens of a prompt and its text together. */
  int context() {
    return engine().contextTokens();
  }

  /** Whether the model says how it writes conversations. */
  boolean hasTemplate() {
    return engine().model().template().isPresent();
  }

  private Chats chats() {
    Chats chats = loaded().chats;
    if (chats == null) {
      throw ApiException.of(
          400, null, modelName() + " has no tokenizer: ask for completions of token ids");
    }
    return chats;
  }

  /**
   * The prompt of a conversation.
   *
   * @param field where it came from
   */
  Prompt render(ChatRequest chat, String field) {
    requireRoom(field, chat.messages().stream().map(Message::content).toList());
    return chats().codec().render(chat);
  }

  /** Submits a conversation. */
  ChatAnswer submit(ChatRequest chat, Asked asked, String field) {
    Prompt prompt = render(chat, field);
    asked.bound(this, field, prompt.ids().length);
    try {
      return chats().submit(prompt, asked.request());
    } catch (InvalidArgumentException e) {
      throw SchemaFields.named(chat, field, e);
    }
  }

  /** Refuses texts that the context cannot have room for, before they are turned to tokens. */
  void requireRoom(String field, List<String> texts) {
    loaded().bound.check(field, texts);
  }

  /** When the server was started, in seconds since 1970. */
  long created() {
    return created;
  }

  ServerOptions options() {
    return options;
  }

  Limits limits() {
    return options.limits();
  }

  WriteWatch watch() {
    return watch;
  }

  Counts counts() {
    return counts;
  }

  /** Calls that are being answered. */
  AtomicInteger calls() {
    return calls;
  }

  /** Refuses a request for another model; one without a name is for the one that is there. */
  void requireModel(Fields body) {
    String asked = body.text("model", "");
    if (!asked.isEmpty() && !asked.equals(modelName())) {
      throw ApiException.unknownModel(asked, modelName());
    }
  }

  @Override
  public void close() {
    watch.close();
  }
}

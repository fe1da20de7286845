package io.mla4j.engine;

import io.mla4j.ClosedException;
import io.mla4j.InvalidArgumentException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Objects;

/**
 * A model that serves many requests at once. One thread runs steps of the model; each takes the
 * next token of every text that is being written, and as much of the prompts that wait as the token
 * budget allows. What prompts of a tenant begin with is computed once. A text's tokens do not
 * depend on what else is served.
 *
 * <pre>{@code
 * try (Engine engine = Engine.open(path, EngineOptions.DEFAULT)) {
 *   Answer answer = engine.submit(Request.builder().prompt("In the beginning").build());
 *   for (Event event; (event = answer.next()) != null; ) { ... }
 * }
 * }</pre>
 *
 * <p>Requests of tenants take turns; those of one tenant begin in their order. One that does not
 * fit the cache now waits; where texts outgrow it, the one that was submitted last is put back and
 * computed again later, its tokens kept. A request whose step fails ends with {@link Event.Failed},
 * and the engine goes on.
 *
 * <p>Thread-safe.
 */
public final class Engine implements AutoCloseable {
  private final EngineModel model;
  private final EngineOptions options;
  private final Inbox inbox;
  private final Meters meters = new Meters();
  private final Loop loop;
  private final Thread thread;

  private Engine(EngineModel model, EngineOptions options) {
    this.model = model;
    this.options = options;
    this.inbox = new Inbox(options);
    this.loop = new Loop(model, options, inbox, meters);
    this.thread = Thread.ofPlatform().name("mla4j-engine").daemon().start(loop);
  }

  /**
   * Opens a model and serves it.
   *
   * @param model a folder with config.json, or a GGUF
   * @throws io.mla4j.checkpoint.CheckpointException naming the file and what is wrong with it
   * @throws io.mla4j.BackendException where the backend does not work here
   * @throws InvalidArgumentException where the cache has no room for a page
   */
  public static Engine open(Path model, EngineOptions options) {
    return over(OpenedModel.open(model, options), options);
  }

  /**
   * Serves a model, which it closes. Of the options, those that say how a model is opened have no
   * effect.
   *
   * @throws InvalidArgumentException where the cache has no room for a page
   */
  public static Engine over(EngineModel model, EngineOptions options) {
    try {
      return new Engine(model, options);
    } catch (RuntimeException | Error e) {
      model.close();
      throw e;
    }
  }

  /** The model. */
  public EngineModel model() {
    return model;
  }

  /** How it is shared out. */
  public EngineOptions options() {
    return options;
  }

  /** The most tokens of a prompt and its text together. */
  public int contextTokens() {
    return loop.contextTokens();
  }

  /**
   * Takes a request.
   *
   * @throws InvalidArgumentException naming what is wrong: the prompt is empty, longer than {@link
   *     #contextTokens} or has an id outside of the vocabulary; a text is there but no tokenizer
   * @throws QueueFullException where as many requests wait as may
   * @throws ClosedException where the engine is closed or {@linkplain #drain drains}
   */
  public Answer submit(Request request) {
    if (inbox.isClosed()) {
      throw new ClosedException("the engine is closed");
    }
    int[] prompt = prompt(request);
    Ticket ticket =
        inbox.add(
            request.tenant(),
            id ->
                new Ticket(
                    id,
                    request,
                    prompt,
                    new StreamedAnswer(id, request.n(), inbox::wake),
                    System.nanoTime()));
    return ticket.answer;
  }

  private int[] prompt(Request request) {
    String text = request.promptText();
    if (text != null || !request.stopTexts().isEmpty()) {
      model.tokenizer();
    }
    int[] ids =
        text == null
            ? Objects.requireNonNull(request.promptIds(), "a prompt is a text or ids")
            : model.tokenizer().encode(text, true);
    if (ids.length == 0) {
      throw new InvalidArgumentException("the prompt has no tokens");
    }
    if (ids.length > contextTokens()) {
      throw new InvalidArgumentException(
          "the prompt has "
              + ids.length
              + " tokens, but a prompt and its text may have "
              + contextTokens());
    }
    for (int id : ids) {
      requireKnown("the prompt has id", id);
    }
    request.stopIds().forEach(id -> requireKnown("stopIds has", id));
    request.sampling().logitBias().keySet().forEach(id -> requireKnown("logitBias has id", id));
    return ids;
  }

  private void requireKnown(String what, int id) {
    if (id < 0 || id >= model.vocabulary()) {
      throw new InvalidArgumentException(
          what + " " + id + ", but the vocabulary is 0.." + (model.vocabulary() - 1));
    }
  }

  /** What it does and did. */
  public Statistics statistics() {
    return loop.statistics();
  }

  /** The texts that are being written or were put back, in the order of submission. */
  public List<Running> running() {
    return loop.running();
  }

  /**
   * Takes no more requests and waits for those that are there.
   *
   * @return whether all have ended
   */
  public boolean drain(Duration most) throws InterruptedException {
    return inbox.drain(most);
  }

  /**
   * Ends everything that runs or waits as {@link FinishReason#CANCELLED}, and frees the cache and
   * the model. Closing twice is harmless.
   */
  @Override
  public void close() {
    inbox.close();
    model.close();
    boolean interrupted = false;
    while (thread.isAlive()) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}

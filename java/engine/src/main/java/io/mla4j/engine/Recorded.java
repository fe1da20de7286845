package io.mla4j.engine;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.FlightRecorder;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import org.jspecify.annotations.Nullable;

/**
 * What a flight recording shows of an engine. An event is made only while somebody records it, so
 * that nothing is allocated else; and the classes of events are not loaded before there is a
 * recorder, since the first of them makes a description of all of the JVM's own events, which takes
 * longer than to open a small model.
 */
final class Recorded {
  private Recorded() {}

  /** The prompt of a text is read from now on; null where nobody records it. */
  static @Nullable Prefill prefill() {
    return FlightRecorder.isInitialized() ? Made.prefill() : null;
  }

  /** A step begins; null where nobody records it. */
  static @Nullable DecodeStep step() {
    return FlightRecorder.isInitialized() ? Made.step() : null;
  }

  /** A text has no room, or no longer; null where nobody records it. */
  static @Nullable CachePressure pressure() {
    return FlightRecorder.isInitialized() ? Made.pressure() : null;
  }

  /** A model is opened from now on; null where nobody records it. */
  static @Nullable ModelLoad load() {
    return FlightRecorder.isInitialized() ? Made.load() : null;
  }

  /** Makes events. A class of its own, since to verify it loads theirs. */
  private static final class Made {
    private static final Prefill PREFILL = new Prefill();
    private static final DecodeStep STEP = new DecodeStep();
    private static final CachePressure PRESSURE = new CachePressure();
    private static final ModelLoad LOAD = new ModelLoad();

    static @Nullable Prefill prefill() {
      return PREFILL.isEnabled() ? begun(new Prefill()) : null;
    }

    static @Nullable DecodeStep step() {
      return STEP.isEnabled() ? begun(new DecodeStep()) : null;
    }

    static @Nullable CachePressure pressure() {
      return PRESSURE.isEnabled() ? new CachePressure() : null;
    }

    static @Nullable ModelLoad load() {
      return LOAD.isEnabled() ? begun(new ModelLoad()) : null;
    }

    private static <E extends Event> E begun(E event) {
      event.begin();
      return event;
    }
  }

  /** A prompt, from its first step to the first token. */
  @Name("io.mla4j.Prefill")
  @Label("Prefill")
  @Category("mla4j")
  @Description("A prompt on its way through the model, from its first step to the first token")
  @StackTrace(false)
  static final class Prefill extends Event {
    @Label("Request")
    long request;

    @Label("Prompt Tokens")
    int promptTokens;

    @Label("Cached Tokens")
    @Description("Tokens of the prompt that were in the cache already")
    int cachedTokens;

    /** The first token is there. */
    void end(Text text) {
      end();
      if (shouldCommit()) {
        request = text.ticket.id;
        promptTokens = text.promptTokens;
        cachedTokens = text.cachedTokens;
        commit();
      }
    }
  }

  /** A step of the model. */
  @Name("io.mla4j.DecodeStep")
  @Label("Decode Step")
  @Category("mla4j")
  @Description("A step of the model: the next token of every text, and tokens of prompts")
  @StackTrace(false)
  static final class DecodeStep extends Event {
    @Label("Texts")
    @Description("Texts that got a token")
    int texts;

    @Label("Prompt Tokens")
    @Description("Tokens of prompts, and of texts that are computed again")
    int promptTokens;

    /** It is done. */
    void end(int ofTexts, int ofPrompts) {
      end();
      if (shouldCommit()) {
        texts = ofTexts;
        promptTokens = ofPrompts;
        commit();
      }
    }
  }

  /** The cache is too small for all that wants to run. */
  @Name("io.mla4j.CachePressure")
  @Label("Cache Pressure")
  @Category("mla4j")
  @Description("A request waits for pages of the cache, or a text gave its pages to an older one")
  @StackTrace(false)
  static final class CachePressure extends Event {
    @Label("Request")
    long request;

    @Label("Put Back")
    @Description("Whether it had pages, which it gave up, and is computed again later")
    boolean putBack;

    @Label("Tokens")
    int tokens;

    @Label("Pages")
    int pages;

    @Label("Available Pages")
    int availablePages;

    /** It is {@code text} that has no room. */
    void of(Text text, boolean hadPages, Pages cache) {
      request = text.ticket.id;
      putBack = hadPages;
      tokens = text.count;
      pages = cache.cache().pages();
      availablePages = cache.cache().availablePages();
      commit();
    }
  }

  /** A model is opened. */
  @Name("io.mla4j.ModelLoad")
  @Label("Model Load")
  @Category("mla4j")
  @Description("A model is opened: its files mapped and checked, its weights placed")
  @StackTrace(false)
  static final class ModelLoad extends Event {
    @Label("Model")
    String model = "";

    @Label("Family")
    String family = "";

    @Label("Summary")
    @Description("Backend, instruction set, types and threads")
    String summary = "";

    /** It is open. */
    void end(EngineModel opened) {
      end();
      if (shouldCommit()) {
        model = opened.name();
        family = opened.family();
        summary = opened.summary();
        commit();
      }
    }
  }
}

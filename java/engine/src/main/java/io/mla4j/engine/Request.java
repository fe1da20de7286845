package io.mla4j.engine;

import static io.mla4j.InvalidArgumentException.require;

import io.mla4j.InvalidArgumentException;
import io.mla4j.text.SamplingOptions;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A prompt to continue, and how. Immutable, but for its {@link Constraint}, with which it can be
 * submitted once.
 *
 * <pre>{@code
 * Request request = Request.builder().prompt("In the beginning").maxTokens(100).build();
 * }</pre>
 */
public final class Request {
  private final Builder values;

  private Request(Builder values) {
    this.values = values;
  }

  /** The defaults, to be changed; a prompt is needed. */
  public static Builder builder() {
    return new Builder();
  }

  /** The prompt as text, BOS not included; null where it is ids. */
  public @Nullable String promptText() {
    return values.text;
  }

  /** The prompt as ids, BOS included where it is wanted; null where it is a text. */
  public int @Nullable [] promptIds() {
    return values.ids == null ? null : values.ids.clone();
  }

  /** The most tokens of each text. */
  public int maxTokens() {
    return values.maxTokens;
  }

  /** How tokens are chosen. */
  public SamplingOptions sampling() {
    return values.sampling;
  }

  /** How many texts: the seeds of those after the first are the following numbers. */
  public int n() {
    return values.n;
  }

  /** Texts that end a text and are left out of it; special tokens are found by their texts. */
  public List<String> stopTexts() {
    return values.stopTexts;
  }

  /** Tokens that end a text, beside the model's own. */
  public Set<Integer> stopIds() {
    return values.stopIds;
  }

  /** Whether the model's own end of a text is an ordinary token, without text. */
  public boolean ignoreEos() {
    return values.ignoreEos;
  }

  /** How many of the likeliest tokens are told with each token; -1 for no logarithms at all. */
  public int logprobs() {
    return values.logprobs;
  }

  /** What the texts may be; null for anything. */
  public @Nullable Constraint constraint() {
    return values.constraint;
  }

  /** Whose it is: tenants take turns, and share no beginnings of prompts. */
  public String tenant() {
    return values.tenant;
  }

  /** From its submission to its end; null for any time. */
  public @Nullable Duration deadline() {
    return values.deadline;
  }

  /** Whether the texts of special tokens are in the text, for those who parse it. */
  public boolean keepSpecial() {
    return values.keepSpecial;
  }

  /**
   * Whether a later prompt is likely to begin with this one and its text. The text is then read as
   * a part of a prompt while nobody waits, and is in the cache as such.
   */
  public boolean conversation() {
    return values.conversation;
  }

  /** Makes requests. Belongs to one thread. */
  public static final class Builder implements Cloneable {
    private static final int MOST_TEXTS = 128;
    private static final int MOST_LOGPROBS = 128;
    private @Nullable String text;
    private int @Nullable [] ids;
    private int maxTokens = 512;
    private SamplingOptions sampling = SamplingOptions.GREEDY;
    private int n = 1;
    private List<String> stopTexts = List.of();
    private Set<Integer> stopIds = Set.of();
    private boolean ignoreEos;
    private int logprobs = -1;
    private @Nullable Constraint constraint;
    private String tenant = "";
    private @Nullable Duration deadline;
    private boolean keepSpecial;
    private boolean conversation;

    private Builder() {}

    /** A text; BOS comes before it where the tokenizer asks for it. */
    public Builder prompt(String prompt) {
      text = prompt;
      ids = null;
      return this;
    }

    /** Ids as they are. */
    public Builder prompt(int... prompt) {
      ids = prompt.clone();
      text = null;
      return this;
    }

    /** See {@link Request#maxTokens()}; 512 by default. */
    public Builder maxTokens(int tokens) {
      maxTokens = tokens;
      return this;
    }

    /** See {@link Request#sampling()}; greedy by default. */
    public Builder sampling(SamplingOptions options) {
      sampling = options;
      return this;
    }

    /** See {@link Request#n()}. */
    public Builder n(int texts) {
      n = texts;
      return this;
    }

    /** See {@link Request#stopTexts()}. */
    public Builder stopTexts(List<String> texts) {
      stopTexts = List.copyOf(texts);
      return this;
    }

    /** See {@link Request#stopIds()}. */
    public Builder stopIds(Set<Integer> tokens) {
      stopIds = Set.copyOf(tokens);
      return this;
    }

    /** See {@link Request#ignoreEos()}. */
    public Builder ignoreEos(boolean whether) {
      ignoreEos = whether;
      return this;
    }

    /** See {@link Request#logprobs()}. */
    public Builder logprobs(int top) {
      logprobs = top;
      return this;
    }

    /** See {@link Request#constraint()}. */
    public Builder constraint(@Nullable Constraint what) {
      constraint = what;
      return this;
    }

    /** See {@link Request#tenant()}; the empty text by default. */
    public Builder tenant(String name) {
      tenant = name;
      return this;
    }

    /** See {@link Request#deadline()}. */
    public Builder deadline(@Nullable Duration most) {
      deadline = most;
      return this;
    }

    /** See {@link Request#keepSpecial()}. */
    public Builder keepSpecial(boolean whether) {
      keepSpecial = whether;
      return this;
    }

    /** See {@link Request#conversation()}. */
    public Builder conversation(boolean whether) {
      conversation = whether;
      return this;
    }

    /**
     * The request.
     *
     * @throws InvalidArgumentException naming what is missing or out of its range
     */
    public Request build() {
      require(text != null || ids != null, "prompt", null, "a text or ids");
      require(maxTokens >= 1, "maxTokens", maxTokens, "at least 1");
      require(sampling != null, "sampling", null, "there");
      require(n >= 1 && n <= MOST_TEXTS, "n", n, "in 1.." + MOST_TEXTS);
      require(!stopTexts.contains(""), "stopTexts", "\"\"", "no empty text");
      require(
          logprobs >= -1 && logprobs <= MOST_LOGPROBS,
          "logprobs",
          logprobs,
          "in -1.." + MOST_LOGPROBS);
      require(tenant != null, "tenant", null, "a text");
      require(
          deadline == null || deadline.isPositive(), "deadline", deadline, "longer than nothing");
      return new Request(clone());
    }

    @Override
    protected Builder clone() {
      try {
        return (Builder) super.clone();
      } catch (CloneNotSupportedException e) {
        throw new AssertionError(e);
      }
    }
  }
}

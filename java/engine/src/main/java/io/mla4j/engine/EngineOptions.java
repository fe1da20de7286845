package io.mla4j.engine;

import static io.mla4j.InvalidArgumentException.require;

import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.InvalidArgumentException;
import io.mla4j.model.DecoderOptions;
import io.mla4j.text.ChatTemplate;
import io.mla4j.text.Speculation;
import org.jspecify.annotations.Nullable;

/**
 * How an {@link Engine} opens its model and shares it out. Immutable.
 *
 * <pre>{@code
 * EngineOptions options = EngineOptions.builder().parallel(32).cacheMemory(2L << 30).build();
 * }</pre>
 */
public final class EngineOptions {
  /** What the machine and the model suggest. */
  public static final EngineOptions DEFAULT = builder().build();

  private final Builder values;

  private EngineOptions(Builder values) {
    this.values = values;
  }

  /** The defaults, to be changed. */
  public static Builder builder() {
    return new Builder();
  }

  /** One of {@link io.mla4j.Backends#names}; null for the best that works. */
  public @Nullable String backend() {
    return values.backend;
  }

  /** The instruction set by name; null for the fastest. */
  public @Nullable String isa() {
    return values.isa;
  }

  /** Threads of an operation; 0 for the physical cores. */
  public int threads() {
    return values.threads;
  }

  /** What matrix products compute with; null for what is faster on the device. */
  public @Nullable ComputeType compute() {
    return values.compute;
  }

  /** How cached elements are stored; null for the compute type. */
  public @Nullable CacheType cacheType() {
    return values.cacheType;
  }

  /**
   * Tokens of a page of the cache, 64 by default. Beginnings of prompts are shared by whole pages:
   * with smaller ones more of a conversation is found again, and more pages are looked after.
   */
  public int pageSize() {
    return values.pageSize;
  }

  /** How it writes conversations; null for the model's own template. */
  public @Nullable ChatTemplate template() {
    return values.template;
  }

  /** Texts that are written at once. */
  public int parallel() {
    return values.parallel;
  }

  /** The most tokens of a prompt and its text together; 0 for the model's context. */
  public int contextTokens() {
    return values.contextTokens;
  }

  /**
   * Bytes of the cache; 0 for as many as {@link #parallel} texts of {@link #contextTokens} need,
   * but at most a quarter of the machine's memory.
   */
  public long cacheMemory() {
    return values.cacheMemory;
  }

  /** Requests that may wait. */
  public int queue() {
    return values.queue;
  }

  /** Requests of one tenant that may wait or run; 0 for any number. */
  public int requestsPerTenant() {
    return values.requestsPerTenant;
  }

  /** Tokens of prompts that one step may take, at least 16. */
  public int tokenBudget() {
    return values.tokenBudget;
  }

  /**
   * How much longer steps may take on average because of the prompts in them, as a multiple of a
   * step without: where they would take more, prompts are read in shorter pieces and not in every
   * step. 0 for any time.
   */
  public double stretch() {
    return values.stretch;
  }

  /**
   * How tokens are guessed that a step then checks several at a time, where that pays: {@code
   * LOOKUP} (the default) or {@code OFF}. Texts are the same with both.
   */
  public Speculation speculation() {
    return values.speculation;
  }

  /** Makes options. Belongs to one thread. */
  public static final class Builder implements Cloneable {
    private @Nullable String backend;
    private @Nullable String isa;
    private int threads;
    private @Nullable ComputeType compute;
    private @Nullable CacheType cacheType;
    private int pageSize = DecoderOptions.DEFAULT_PAGE_SIZE;
    private @Nullable ChatTemplate template;
    private int parallel = 16;
    private int contextTokens;
    private long cacheMemory;
    private int queue = 256;
    private int requestsPerTenant;
    private int tokenBudget = 512;
    private double stretch = 1.7;
    private Speculation speculation = Speculation.LOOKUP;

    private Builder() {}

    /** See {@link EngineOptions#backend()}. */
    public Builder backend(@Nullable String name) {
      backend = name;
      return this;
    }

    /** See {@link EngineOptions#isa()}. */
    public Builder isa(@Nullable String name) {
      isa = name;
      return this;
    }

    /** See {@link EngineOptions#threads()}. */
    public Builder threads(int count) {
      threads = count;
      return this;
    }

    /** See {@link EngineOptions#compute()}. */
    public Builder compute(@Nullable ComputeType type) {
      compute = type;
      return this;
    }

    /** See {@link EngineOptions#cacheType()}. */
    public Builder cacheType(@Nullable CacheType type) {
      cacheType = type;
      return this;
    }

    /** See {@link EngineOptions#pageSize()}. */
    public Builder pageSize(int tokens) {
      pageSize = tokens;
      return this;
    }

    /** See {@link EngineOptions#template()}. */
    public Builder template(@Nullable ChatTemplate other) {
      template = other;
      return this;
    }

    /** See {@link EngineOptions#parallel()}. */
    public Builder parallel(int texts) {
      parallel = texts;
      return this;
    }

    /** See {@link EngineOptions#contextTokens()}. */
    public Builder contextTokens(int tokens) {
      contextTokens = tokens;
      return this;
    }

    /** See {@link EngineOptions#cacheMemory()}. */
    public Builder cacheMemory(long bytes) {
      cacheMemory = bytes;
      return this;
    }

    /** See {@link EngineOptions#queue()}. */
    public Builder queue(int requests) {
      queue = requests;
      return this;
    }

    /** See {@link EngineOptions#requestsPerTenant()}. */
    public Builder requestsPerTenant(int requests) {
      requestsPerTenant = requests;
      return this;
    }

    /** See {@link EngineOptions#tokenBudget()}. */
    public Builder tokenBudget(int tokens) {
      tokenBudget = tokens;
      return this;
    }

    /** See {@link EngineOptions#stretch()}. */
    public Builder stretch(double factor) {
      stretch = factor;
      return this;
    }

    /** See {@link EngineOptions#speculation()}. */
    public Builder speculation(Speculation how) {
      speculation = how;
      return this;
    }

    /**
     * The options.
     *
     * @throws InvalidArgumentException naming the one that is out of its range
     */
    public EngineOptions build() {
      require(threads >= 0, "threads", threads, "at least 0");
      require(pageSize >= 1 && pageSize <= 1 << 20, "pageSize", pageSize, "in 1.." + (1 << 20));
      require(parallel >= 1 && parallel <= 4096, "parallel", parallel, "in 1..4096");
      require(contextTokens >= 0, "contextTokens", contextTokens, "at least 0");
      require(cacheMemory >= 0, "cacheMemory", cacheMemory, "at least 0");
      require(queue >= 1, "queue", queue, "at least 1");
      require(requestsPerTenant >= 0, "requestsPerTenant", requestsPerTenant, "at least 0");
      require(
          tokenBudget >= 16 && tokenBudget <= 1 << 20,
          "tokenBudget",
          tokenBudget,
          "in 16.." + (1 << 20));
      require(
          stretch == 0 || stretch > 1 && stretch < Double.POSITIVE_INFINITY,
          "stretch",
          stretch,
          "0 or a finite number above 1");
      if (speculation != Speculation.OFF && speculation != Speculation.LOOKUP) {
        throw new InvalidArgumentException(
            "speculation is " + speculation + ", but an engine has OFF and LOOKUP alone");
      }
      return new EngineOptions(clone());
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

package io.mla4j.engine;

import io.mla4j.InvalidArgumentException;
import io.mla4j.LatentCache;
import io.mla4j.PrefixCache;
import io.mla4j.Sequence;
import io.mla4j.text.PromptCut;
import java.lang.management.ManagementFactory;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** The cache of an engine, and who gets pages of it. Belongs to the loop. */
final class Pages implements AutoCloseable {
  /**
   * Every machine has so many bytes: to ask for its memory takes a tenth of a second at a start.
   */
  private static final long SMALL = 64L << 20;

  private final LatentCache cache;

  /** Null where texts cannot share a beginning. */
  private final @Nullable PrefixCache prefixes;

  private final PromptCut cut;
  private final int contextTokens;

  Pages(EngineModel model, EngineOptions options) {
    this.cut = model.promptCut();
    int context =
        options.contextTokens() == 0
            ? model.context()
            : Math.min(options.contextTokens(), model.context());
    LatentCache.Builder builder = model.cacheBuilder().growing(true).sequences(0);
    LatentCache page = builder.pages(1).build();
    int pageSize = page.pageSize();
    long pageBytes = page.pageBytes();
    page.close();
    long wanted = (long) options.parallel() * Math.ceilDiv(context, pageSize);
    long most = options.cacheMemory() / pageBytes;
    if (options.cacheMemory() == 0) {
      most = wanted * pageBytes <= SMALL ? wanted : memory() / 4 / pageBytes;
    }
    if (most < 1) {
      throw new InvalidArgumentException(
          "cacheMemory is " + options.cacheMemory() + ", but one page takes " + pageBytes);
    }
    this.cache = builder.pages(Math.min(wanted, most)).build();
    this.contextTokens = (int) Math.min(context, (long) cache.pages() * pageSize);
    this.prefixes = cut.isSharable() ? new PrefixCache(cache, cache.bytes()) : null;
  }

  private static long memory() {
    return ManagementFactory.getOperatingSystemMXBean()
            instanceof com.sun.management.OperatingSystemMXBean system
        ? system.getTotalMemorySize()
        : Runtime.getRuntime().maxMemory();
  }

  LatentCache cache() {
    return cache;
  }

  int contextTokens() {
    return contextTokens;
  }

  /** Tokens of a text's prompt that are its body. */
  int endOfBody(Text text) {
    return cut.endOfBody(text.promptTokens);
  }

  PromptCut cut() {
    return cut;
  }

  /**
   * Gives a text a sequence, with what is known of its prompt, where there is room for what it has.
   *
   * @param running those that have pages, some of which they will need to go on
   * @return whether there was room
   */
  boolean admit(Text text, List<Text> running) {
    Sequence sequence = cache.newSequence();
    text.sequence = sequence;
    sequence.announce(text.promptTokens);
    share(text);
    long promised = 0;
    for (Text other : running) {
      promised += pagesFor(known(other) + 1) - pagesFor(other.place().length());
    }
    long needed = pagesFor(known(text) + 1) - pagesFor(sequence.length());
    // One that was put back does not come back where the others soon need its pages again.
    long reserve = text.generated() > 0 ? running.size() : 0;
    if (!running.isEmpty() && needed + promised + reserve > cache.availablePages()) {
      text.sequence = null;
      sequence.close();
      return false;
    }
    return true;
  }

  private int known(Text text) {
    return Math.min(text.count, contextTokens - 1);
  }

  /** Takes what is known of the rest of a prompt's body. */
  void share(Text text) {
    int end = endOfBody(text);
    int before = text.place().length();
    if (prefixes != null && before < end && before % cache.pageSize() == 0) {
      prefixes.share(text.place(), beginning(text));
    }
  }

  /** Lets others share what is computed of a prompt's body. */
  void publish(Text text) {
    int end = Math.min(text.place().length(), endOfBody(text));
    if (prefixes != null && end > 0) {
      publish(text.place(), beginning(text), end);
    }
  }

  private PrefixCache.Beginning beginning(Text text) {
    if (text.beginning == null) {
      text.beginning = beginning(text.ticket.tenant(), text.ids, endOfBody(text));
    }
    return text.beginning;
  }

  /** The first {@code end} ids, where texts can share a beginning. */
  PrefixCache.Beginning beginning(String tenant, int[] ids, int end) {
    return prefixes().beginning(tenant, Arrays.copyOf(ids, end));
  }

  /** A sequence of a text with so many tokens, with what is known of its beginning. */
  Sequence open(PrefixCache.Beginning beginning, int tokens) {
    Sequence sequence = cache.newSequence();
    sequence.announce(tokens);
    prefixes().share(sequence, beginning);
    return sequence;
  }

  /** Lets others share the first {@code count} tokens of a beginning. */
  void publish(Sequence sequence, PrefixCache.Beginning beginning, int count) {
    prefixes().publish(sequence, beginning, count);
  }

  private PrefixCache prefixes() {
    return Objects.requireNonNull(prefixes, "texts cannot share a beginning");
  }

  private int pagesFor(int tokens) {
    return Math.ceilDiv(tokens, cache.pageSize());
  }

  Statistics.Cache statistics(Meters meters) {
    int available = cache.availablePages();
    int free = cache.freePages();
    return new Statistics.Cache(
        cache.pages() - available,
        Math.max(0, available - free),
        cache.pages(),
        cache.pageSize(),
        cache.pageBytes(),
        cache.residentBytes(),
        meters.lookups.get(),
        meters.hits.get(),
        meters.promptTokens.get(),
        meters.cachedTokens.get());
  }

  @Override
  public void close() {
    cache.close();
  }
}

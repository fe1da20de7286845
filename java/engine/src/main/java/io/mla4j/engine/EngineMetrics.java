package io.mla4j.engine;

import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.FunctionTimer;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tag;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.binder.MeterBinder;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;
import java.util.function.ToLongFunction;
import org.jspecify.annotations.Nullable;

/**
 * The {@link Statistics} of an engine as meters of Micrometer, which the application brings: {@code
 * io.micrometer:micrometer-core}, 1.17 or so. Nothing else of this module needs it.
 *
 * <pre>{@code
 * new EngineMetrics(engine, Tags.of("model", "v2-lite")).bindTo(registry);
 * }</pre>
 *
 * <p>Gauges {@code mla4j.requests.running}, {@code mla4j.requests.waiting}, {@code
 * mla4j.cache.pages}, {@code mla4j.cache.pages.used}, {@code mla4j.cache.resident} (bytes);
 * counters {@code mla4j.requests}, {@code mla4j.tokens} (by {@code kind}: prompt, cached,
 * generated, guessed, accepted), {@code mla4j.steps}, {@code mla4j.preemptions}, {@code
 * mla4j.texts} (by {@code reason}, failed ones too); timers, as counts and sums, {@code
 * mla4j.request.queued}, {@code mla4j.token.first}, {@code mla4j.token.next}, {@code
 * mla4j.request}. Registries hold the engine weakly: of one that nobody holds any more they have
 * the last values. Costs nothing until a registry asks.
 *
 * <p>Thread-safe.
 */
public final class EngineMetrics implements MeterBinder {
  private final Engine engine;
  private final Tags tags;

  /**
   * Meters of an engine.
   *
   * @param tags of all of them, such as the model's name
   */
  public EngineMetrics(Engine engine, Iterable<Tag> tags) {
    this.engine = engine;
    this.tags = Tags.of(tags);
  }

  @Override
  public void bindTo(MeterRegistry registry) {
    gauge(registry, "requests.running", null, "Texts being written", s -> s.load().running());
    gauge(registry, "requests.waiting", null, "Texts that wait", s -> s.load().waiting());
    gauge(registry, "cache.pages", null, "Pages of the cache", s -> s.cache().pages());
    gauge(registry, "cache.pages.used", null, "Pages that texts hold", s -> s.cache().usedPages());
    gauge(
        registry, "cache.resident", "bytes", "Memory of the cache", s -> s.cache().residentBytes());
    count(registry, "requests", tags, "Requests that were taken", s -> s.counts().requests());
    tokens(registry, "prompt", s -> s.counts().promptTokens());
    tokens(registry, "cached", s -> s.counts().cachedTokens());
    tokens(registry, "generated", s -> s.counts().generatedTokens());
    tokens(registry, "guessed", s -> s.counts().guessedTokens());
    tokens(registry, "accepted", s -> s.counts().acceptedTokens());
    count(registry, "steps", tags, "Steps of the model", s -> s.counts().steps());
    count(registry, "preemptions", tags, "Texts computed again", s -> s.counts().putBack());
    for (FinishReason reason : FinishReason.values()) {
      texts(
          registry,
          reason.name().toLowerCase(Locale.ROOT),
          s -> s.counts().finished().getOrDefault(reason, 0L));
    }
    texts(registry, "failed", s -> s.counts().failed());
    timer(registry, "request.queued", "From a request to its first step", l -> l.queued());
    timer(registry, "token.first", "From a request to a text's first token", l -> l.firstToken());
    timer(registry, "token.next", "From a token to the next", l -> l.betweenTokens());
    timer(registry, "request", "From a request to a text's end", l -> l.whole());
  }

  private void gauge(
      MeterRegistry registry,
      String name,
      @Nullable String unit,
      String description,
      ToDoubleFunction<Statistics> value) {
    Gauge.builder("mla4j." + name, engine, e -> value.applyAsDouble(e.statistics()))
        .tags(tags)
        .baseUnit(unit)
        .description(description)
        .register(registry);
  }

  private void tokens(MeterRegistry registry, String kind, ToLongFunction<Statistics> value) {
    count(
        registry,
        "tokens",
        tags.and("kind", kind),
        "Tokens: cached ones are prompts', accepted ones guessed",
        value);
  }

  private void texts(MeterRegistry registry, String reason, ToLongFunction<Statistics> value) {
    count(registry, "texts", tags.and("reason", reason), "Texts that ended", value);
  }

  private void count(
      MeterRegistry registry,
      String name,
      Tags all,
      String description,
      ToLongFunction<Statistics> value) {
    FunctionCounter.builder("mla4j." + name, engine, e -> value.applyAsLong(e.statistics()))
        .tags(all)
        .description(description)
        .register(registry);
  }

  private void timer(
      MeterRegistry registry,
      String name,
      String description,
      Function<Statistics.Latencies, Histogram> histogram) {
    FunctionTimer.builder(
            "mla4j." + name,
            engine,
            e -> histogram.apply(e.statistics().latencies()).count(),
            e -> histogram.apply(e.statistics().latencies()).sum(),
            TimeUnit.SECONDS)
        .tags(tags)
        .description(description)
        .register(registry);
  }
}

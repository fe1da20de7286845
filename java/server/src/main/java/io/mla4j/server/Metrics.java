package io.mla4j.server;

import io.mla4j.engine.Engine;
import io.mla4j.engine.FinishReason;
import io.mla4j.engine.Statistics;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/** What Prometheus reads: the names of vLLM behind {@code mla4j:}, and some of our own. */
final class Metrics {
  private static final long PAGE_BYTES = 4096;

  private Metrics() {}

  static void show(Call call) throws IOException {
    Service service = call.service();
    call.send(
        200,
        "text/plain; version=0.0.4; charset=utf-8",
        text(service).getBytes(StandardCharsets.UTF_8));
  }

  private static String text(Service service) {
    Engine engine = service.engine();
    Statistics now = engine.statistics();
    PrometheusText text = new PrometheusText("model_name", service.modelName());
    Statistics.Cache cache = now.cache();
    text.gauge("mla4j:num_requests_running", "Texts that are being written", now.load().running());
    text.gauge("mla4j:num_requests_waiting", "Texts that wait", now.load().waiting());
    text.gauge(
        "mla4j:kv_cache_usage_perc",
        "Pages of the cache that texts hold; 1 is all",
        (double) cache.usedPages() / Math.max(1, cache.pages()));
    text.gauge("mla4j:kv_cache_pages", "Pages of the cache", cache.pages());
    text.gauge("mla4j:kv_cache_pages_used", "Pages that texts hold", cache.usedPages());
    text.gauge(
        "mla4j:kv_cache_pages_remembered",
        "Pages that only beginnings of earlier texts hold",
        cache.rememberedPages());
    text.gauge("mla4j:kv_cache_page_tokens", "Tokens of a page", cache.pageTokens());
    text.gauge(
        "mla4j:kv_cache_resident_bytes", "Memory that the cache takes", cache.residentBytes());
    text.counter(
        "mla4j:prefix_cache_queries_total", "Prompt tokens looked up", cache.tokensAsked());
    text.counter(
        "mla4j:prefix_cache_hits_total", "Prompt tokens found there", cache.tokensShared());
    counts(text, now.counts());
    Statistics.Latencies latencies = now.latencies();
    text.histogram(
        "mla4j:time_to_first_token_seconds",
        "From a request to the first token of a text",
        latencies.firstToken());
    text.histogram(
        "mla4j:inter_token_latency_seconds",
        "From one token of a text to its next",
        latencies.betweenTokens());
    text.histogram(
        "mla4j:e2e_request_latency_seconds",
        "From a request to the end of a text",
        latencies.whole());
    text.histogram(
        "mla4j:request_queue_time_seconds", "From a request to its first step", latencies.queued());
    process(text, service);
    return text.toString();
  }

  private static void counts(PrometheusText text, Statistics.Counts counts) {
    text.counter("mla4j:requests_total", "Requests that were taken", counts.requests());
    text.counter(
        "mla4j:prompt_tokens_total", "Tokens of prompts that began", counts.promptTokens());
    text.counter("mla4j:generation_tokens_total", "Tokens generated", counts.generatedTokens());
    text.counter(
        "mla4j:spec_decode_num_draft_tokens_total",
        "Guessed tokens that were checked",
        counts.guessedTokens());
    text.counter(
        "mla4j:spec_decode_num_accepted_tokens_total",
        "Guessed tokens that the model chose too",
        counts.acceptedTokens());
    text.counter("mla4j:engine_steps_total", "Steps of the model", counts.steps());
    text.counter(
        "mla4j:num_preemptions_total",
        "How often a text lost its pages and was computed again",
        counts.putBack());
    text.family("mla4j:request_success_total", "counter", "Texts that ended, by reason");
    for (FinishReason reason : FinishReason.values()) {
      text.sample(
          "mla4j:request_success_total",
          "finished_reason=\"" + reason.name().toLowerCase(Locale.ROOT) + "\"",
          counts.finished().getOrDefault(reason, 0L));
    }
    text.counter("mla4j:request_failure_total", "Texts that failed", counts.failed());
  }

  private static void process(PrometheusText text, Service service) {
    text.family("mla4j:http_requests_total", "counter", "Requests answered");
    service
        .counts()
        .answered()
        .forEach((labels, count) -> text.sample("mla4j:http_requests_total", labels, count.sum()));
    text.counter(
        "mla4j:http_clients_gone_total",
        "Clients that went before their answer was complete",
        service.counts().gone());
    text.gauge(
        "mla4j:http_requests_active",
        "Requests that are being answered, this one too",
        service.calls().get());
    text.gauge(
        "mla4j:threads", "Platform threads", ManagementFactory.getThreadMXBean().getThreadCount());
    long resident = residentBytes();
    if (resident > 0) {
      text.gauge("process_resident_memory_bytes", "Resident memory", resident);
    }
  }

  /** 0 where the system does not say. */
  private static long residentBytes() {
    try {
      String[] pages = Files.readString(Path.of("/proc/self/statm")).split(" ");
      return Long.parseLong(pages[1]) * PAGE_BYTES;
    } catch (IOException | RuntimeException e) {
      return 0;
    }
  }
}

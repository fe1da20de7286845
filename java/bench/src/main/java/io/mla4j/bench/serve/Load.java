package io.mla4j.bench.serve;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.mla4j.bench.BenchException;
import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Clients that ask a server with OpenAI's interface for completions, one request after the other,
 * until so many requests were sent or so much time has passed. Every text has as many tokens as
 * were asked for where the server knows {@code ignore_eos}. The same seed gives the same prompts.
 */
public final class Load {
  static final ObjectMapper JSON = new ObjectMapper();
  private static final String DATA = "data: ";
  private static final String DONE = "[DONE]";
  private static final int PROBE_WORDS = 50;

  private final Options options;
  private final double tokensPerWord;
  private final String shared;

  /**
   * What to ask for.
   *
   * @param base where the interface is: {@code http://127.0.0.1:8080/v1}
   * @param key null for none
   * @param model null for what the server has
   * @param clients that ask at once
   * @param requests in all
   * @param time after which no request begins
   * @param prompt tokens of a prompt, about
   * @param prefix of these, those that all prompts share
   * @param tokens of a text
   * @param seed of the prompts
   */
  public record Options(
      URI base,
      String key,
      String model,
      int clients,
      int requests,
      Duration time,
      int prompt,
      int prefix,
      int tokens,
      long seed) {
    /** How long a client waits for anything. */
    static final Duration PATIENCE = Duration.ofMinutes(5);

    Connection open() throws IOException {
      return Connection.open(base, key, PATIENCE);
    }
  }

  /**
   * What became of a request.
   *
   * @param error null where it was answered
   * @param firstNanos until the first piece
   * @param gapNanos between pieces
   * @param nanos until its end
   */
  record Sample(
      String error,
      long firstNanos,
      List<Long> gapNanos,
      long nanos,
      int promptTokens,
      int cachedTokens,
      int tokens) {
    static Sample failed(String error) {
      return new Sample(error, 0, List.of(), 0, 0, 0, 0);
    }
  }

  private Load(Options options, double tokensPerWord) {
    this.options = options;
    this.tokensPerWord = tokensPerWord;
    this.shared = words(new SplittableRandom(options.seed()), options.prefix());
  }

  /**
   * Sends the load, after one request that tells how many tokens a word has.
   *
   * @throws BenchException where the server does not answer that one
   */
  public static LoadReport run(Options options) {
    Load probe = new Load(options, 1);
    String text = probe.words(new SplittableRandom(1), PROBE_WORDS);
    return new Load(options, probe.promptTokens(text) / (double) PROBE_WORDS).run();
  }

  /** Asked for without a stream, in which some servers tell no usage. */
  private int promptTokens(String text) {
    try (Connection connection = options.open()) {
      Connection.Response response =
          connection.post("/completions", body(text, 1).put("stream", false).toString());
      if (response.status() != 200) {
        throw new BenchException(
            options.base() + " does not answer: " + response.status() + " " + response.body());
      }
      int tokens = JSON.readTree(response.body()).path("usage").path("prompt_tokens").asInt();
      return tokens == 0 ? PROBE_WORDS : tokens;
    } catch (IOException e) {
      throw new BenchException(options.base() + " does not answer: " + e.getMessage(), e);
    }
  }

  private LoadReport run() {
    AtomicInteger next = new AtomicInteger();
    long start = System.nanoTime();
    long end = start + options.time().toNanos();
    List<Sample> samples = new ArrayList<>();
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<List<Sample>>> clients = new ArrayList<>();
      for (int i = 0; i < options.clients(); i++) {
        clients.add(threads.submit(() -> client(next, end)));
      }
      for (Future<List<Sample>> client : clients) {
        samples.addAll(client.get());
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new BenchException("the load was interrupted", e);
    } catch (java.util.concurrent.ExecutionException e) {
      throw new BenchException("a client failed: " + e.getCause(), e);
    }
    return LoadReport.of(options, samples, System.nanoTime() - start);
  }

  private List<Sample> client(AtomicInteger next, long end) {
    List<Sample> samples = new ArrayList<>();
    for (int i = next.getAndIncrement();
        i < options.requests() && System.nanoTime() < end;
        i = next.getAndIncrement()) {
      SplittableRandom random = new SplittableRandom(options.seed() * 31 + i + 1);
      String own = words(random, options.prompt() - options.prefix());
      samples.add(ask(shared + own, options.tokens()));
    }
    return samples;
  }

  /** About so many tokens, in words of four letters. */
  private String words(SplittableRandom random, int tokens) {
    StringBuilder text = new StringBuilder();
    for (long i = 0; i < Math.round(tokens / tokensPerWord); i++) {
      text.append(' ');
      for (int c = 0; c < 4; c++) {
        text.append((char) ('a' + random.nextInt(26)));
      }
    }
    return text.toString();
  }

  private ObjectNode body(String prompt, int tokens) {
    ObjectNode body = JSON.createObjectNode();
    if (options.model() != null) {
      body.put("model", options.model());
    }
    body.put("prompt", prompt).put("max_tokens", tokens).put("temperature", 0);
    body.put("stream", true).put("ignore_eos", true);
    body.putObject("stream_options").put("include_usage", true);
    return body;
  }

  private Sample ask(String prompt, int tokens) {
    try (Connection connection = options.open()) {
      return ask(connection, body(prompt, tokens).toString());
    } catch (IOException | RuntimeException e) {
      return Sample.failed(e.toString());
    }
  }

  static Sample ask(Connection connection, String body) throws IOException {
    long start = System.nanoTime();
    Reading reading = new Reading(start);
    Connection.Response response = connection.post("/completions", body, reading::take);
    if (response.status() != 200) {
      return Sample.failed(response.status() + " " + response.body());
    }
    return reading.sample();
  }

  /** A stream so far. */
  private static final class Reading {
    private final long start;
    private final List<Long> gaps = new ArrayList<>();
    private long first;
    private long last;
    private boolean isDone;
    private String error;
    private JsonNode usage;

    Reading(long start) {
      this.start = start;
    }

    boolean take(String line) throws IOException {
      if (!line.startsWith(DATA)) {
        return true;
      }
      String data = line.substring(DATA.length());
      if (data.equals(DONE)) {
        isDone = true;
        return true;
      }
      long now = System.nanoTime();
      JsonNode event = JSON.readTree(data);
      if (event.has("error")) {
        error = event.get("error").toString();
      }
      if (event.hasNonNull("usage")) {
        usage = event.get("usage");
      }
      if (!event.path("choices").path(0).path("text").asText().isEmpty()) {
        if (first == 0) {
          first = now;
        } else {
          gaps.add(now - last);
        }
        last = now;
      }
      return true;
    }

    Sample sample() {
      long end = System.nanoTime();
      if (error != null || !isDone) {
        return Sample.failed(error == null ? "the stream ended without [DONE]" : error);
      }
      int pieces = gaps.size() + (first == 0 ? 0 : 1);
      return new Sample(
          null,
          first == 0 ? end - start : first - start,
          gaps,
          end - start,
          usage == null ? 0 : usage.path("prompt_tokens").asInt(),
          usage == null ? 0 : usage.path("prompt_tokens_details").path("cached_tokens").asInt(),
          usage == null ? pieces : usage.path("completion_tokens").asInt());
    }
  }
}

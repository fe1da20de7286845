package io.mla4j.bench.serve;

import com.fasterxml.jackson.databind.JsonNode;
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
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Clients that behave well, and others that leave in the middle, stall, send garbage and exceed
 * limits, all at once; then a look at what the server kept of it: every page has to be free again,
 * and whoever asked properly has to have an answer.
 */
public final class Soak {
  private static final Duration PATIENCE = Duration.ofSeconds(60);
  private static final Duration SETTLE = Duration.ofSeconds(20);
  private static final int LONGEST_TEXT = 48;

  private final URI base;
  private final String key;
  private final Health health;
  private final AtomicInteger wellFormed = new AtomicInteger();
  private final AtomicInteger misuses = new AtomicInteger();
  private final AtomicInteger serverErrors = new AtomicInteger();
  private final List<String> failures = new ArrayList<>();
  private volatile boolean stopped;

  private Soak(URI base, String key) {
    this.base = base;
    this.key = key;
    this.health = new Health();
  }

  /**
   * What was found.
   *
   * @param answered requests of those who behave well
   * @param misuses of the others
   * @param serverErrors answers of 5xx, but for 503
   * @param pagesLost pages that are still held when nobody asks any more
   * @param threads platform threads in the end, less those after the first quarter
   * @param growth of the resident memory from the second quarter to the last one, as a part
   * @param failures why, where somebody who behaved well has no answer
   */
  public record Findings(
      int answered,
      int misuses,
      int serverErrors,
      int pagesLost,
      int threads,
      double growth,
      List<String> failures) {
    /**
     * Whether it is as it has to be.
     *
     * @param mostGrowth of memory, as a part
     */
    public boolean areFine(double mostGrowth) {
      return answered > 0
          && serverErrors == 0
          && pagesLost == 0
          && threads <= 0
          && growth <= mostGrowth
          && failures.isEmpty();
    }

    @Override
    public String toString() {
      StringBuilder text = new StringBuilder();
      text.append(
          String.format(
              java.util.Locale.ROOT,
              "%d requests answered, %d misuses survived, %d server errors, %d pages lost, %d"
                  + " threads more, resident memory %+.2f %%%n",
              answered,
              misuses,
              serverErrors,
              pagesLost,
              threads,
              100 * growth));
      failures.stream().distinct().limit(5).forEach(f -> text.append("failed: " + f + "\n"));
      return text.toString();
    }
  }

  /**
   * Runs it against a server with the metrics of {@code mla4j serve}.
   *
   * @param base where the interface is: {@code http://127.0.0.1:8080/v1}
   * @throws BenchException where it does not answer
   */
  public static Findings run(URI base, String key, int clients, Duration time) {
    Soak soak = new Soak(base, key);
    try {
      return soak.run(clients, time);
    } catch (IOException e) {
      throw new BenchException(base + " does not answer: " + e.getMessage(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new BenchException("the soak was interrupted", e);
    } catch (java.util.concurrent.ExecutionException e) {
      throw new BenchException("a client failed: " + e.getCause(), e);
    }
  }

  private Findings run(int clients, Duration time)
      throws IOException, InterruptedException, java.util.concurrent.ExecutionException {
    health.look();
    long start = System.nanoTime();
    List<Double> resident = new ArrayList<>();
    double threads = 0;
    try (ExecutorService all = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<?>> running = new ArrayList<>();
      for (int i = 0; i < clients; i++) {
        SplittableRandom random = new SplittableRandom(i);
        boolean well = i % 2 == 0;
        running.add(all.submit(() -> client(random, well)));
      }
      Duration pause = Duration.ofMillis(Math.clamp(time.toMillis() / 40, 100, 5000));
      while (System.nanoTime() - start < time.toNanos()) {
        Thread.sleep(pause);
        health.look();
        resident.add(health.value("process_resident_memory_bytes"));
        if (System.nanoTime() - start < time.toNanos() / 4) {
          threads = Math.max(threads, health.value("mla4j:threads"));
        }
      }
      stopped = true;
      for (Future<?> one : running) {
        one.get();
      }
    }
    settle();
    int quarter = resident.size() / 4;
    double before = median(resident.subList(quarter, 2 * quarter));
    double after = median(resident.subList(3 * quarter, resident.size()));
    return new Findings(
        wellFormed.get(),
        misuses.get(),
        serverErrors.get(),
        (int) health.value("mla4j:kv_cache_pages_used"),
        (int) (health.value("mla4j:threads") - threads),
        before == 0 ? 0 : after / before - 1,
        List.copyOf(failures));
  }

  private static double median(List<Double> values) {
    return values.isEmpty() ? 0 : values.stream().sorted().toList().get(values.size() / 2);
  }

  /** Waits until nothing runs: those who left are noticed by the next piece. */
  private void settle() throws IOException, InterruptedException {
    long end = System.nanoTime() + SETTLE.toNanos();
    do {
      Thread.sleep(100);
      health.look();
    } while (System.nanoTime() < end
        && health.value("mla4j:num_requests_running")
                + health.value("mla4j:num_requests_waiting")
                + health.value("mla4j:kv_cache_pages_used")
            > 0);
  }

  private void client(SplittableRandom random, boolean well) {
    while (!stopped) {
      try {
        if (well) {
          behave(random);
        } else {
          misbehave(random);
        }
      } catch (IOException | InterruptedException e) {
        if (well) {
          fail(e.toString());
        }
      }
    }
  }

  private void fail(String why) {
    synchronized (failures) {
      failures.add(why);
    }
  }

  private Connection open() throws IOException {
    return Connection.open(base, key, PATIENCE);
  }

  private static String body(SplittableRandom random, int tokens, boolean stream) {
    return String.format(
        "{\"prompt\":\"Client %d says:%s\",\"max_tokens\":%d,\"ignore_eos\":true,\"stream\":%s,"
            + "\"stream_options\":{\"include_usage\":true}}",
        random.nextInt(8), " and so on".repeat(random.nextInt(40)), tokens, stream);
  }

  /** Asks properly, and checks that there are as many tokens as were asked for. */
  private void behave(SplittableRandom random) throws IOException {
    int tokens = 1 + random.nextInt(LONGEST_TEXT);
    boolean stream = random.nextBoolean();
    String body = body(random, tokens, stream);
    try (Connection connection = open()) {
      int got;
      if (stream) {
        Load.Sample sample = Load.ask(connection, body);
        if (sample.error() != null) {
          fail(sample.error());
          return;
        }
        got = sample.tokens();
      } else {
        Connection.Response response = connection.post("/completions", body);
        count(response.status());
        if (response.status() != 200) {
          fail(response.status() + " " + response.body());
          return;
        }
        JsonNode json = Load.JSON.readTree(response.body());
        got = json.path("usage").path("completion_tokens").asInt();
      }
      if (got == tokens) {
        wellFormed.incrementAndGet();
      } else {
        fail(got + " tokens instead of " + tokens);
      }
    }
  }

  private void count(int status) {
    if (status >= 500 && status != 503) {
      serverErrors.incrementAndGet();
    }
  }

  private void misbehave(SplittableRandom random) throws IOException, InterruptedException {
    misuses.incrementAndGet();
    try (Connection connection = open()) {
      switch (random.nextInt(8)) {
        case 0 -> leave(connection, random);
        case 1 -> {
          connection.send(connection.request("POST", "/completions", body(random, 40, false)));
          Thread.sleep(random.nextInt(200));
        }
        case 2 -> {
          connection.send(connection.request("POST", "/completions", body(random, 40, true)));
          // Takes nothing for a while.
          Thread.sleep(random.nextInt(1500));
        }
        case 3 -> {
          String whole = connection.request("POST", "/completions", body(random, 5, true));
          connection.send(whole.substring(0, random.nextInt(whole.length())));
          Thread.sleep(random.nextInt(500));
        }
        case 4 -> {
          byte[] garbage = new byte[1 + random.nextInt(2000)];
          random.nextBytes(garbage);
          connection.send(new String(garbage, java.nio.charset.StandardCharsets.ISO_8859_1));
        }
        case 5 -> count(connection.post("/completions", "{\"prompt\":\"x\",\"n\":0}").status());
        case 6 ->
            count(
                connection
                    .post("/completions", "{\"prompt\":\"x\",\"max_tokens\":" + (1 << 30) + "}")
                    .status());
        default ->
            count(
                connection
                    .post("/completions", "{\"prompt\":\"" + "x".repeat(9 << 20) + "\"}")
                    .status());
      }
    }
  }

  private static void leave(Connection connection, SplittableRandom random) throws IOException {
    AtomicInteger left = new AtomicInteger(random.nextInt(12));
    connection.post("/completions", body(random, 200, true), _ -> left.getAndDecrement() > 0);
  }

  /** The server's metrics as of the last look. */
  private final class Health {
    private String text = "";

    void look() throws IOException {
      // Metrics stand beside /v1, and below it.
      try (Connection connection = open()) {
        Connection.Response response = connection.get("/metrics");
        if (response.status() != 200) {
          throw new IOException("/metrics: " + response.status() + " " + response.body());
        }
        text = response.body();
      }
    }

    double value(String name) {
      Matcher found =
          Pattern.compile("^" + Pattern.quote(name) + "\\{[^}]*} (\\S+)$", Pattern.MULTILINE)
              .matcher(text);
      return found.find() ? Double.parseDouble(found.group(1)) : 0;
    }
  }
}

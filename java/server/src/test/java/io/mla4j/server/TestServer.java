package io.mla4j.server;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.mla4j.engine.Engine;
import io.mla4j.engine.EngineModel;
import io.mla4j.engine.EngineOptions;
import io.mla4j.engine.ScriptedModel;
import io.mla4j.text.ChatTemplate;
import io.mla4j.text.Tokenizer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.Function;

/** A server on a free port, and a client of it. */
final class TestServer implements AutoCloseable {
  static final Path TINY = Path.of(System.getProperty("mla4j.root"), "models", "tiny-mla");
  static final int VOCABULARY = 4096;
  private static final int EOS = 1;
  private static final Duration PATIENCE = Duration.ofSeconds(20);
  private static final String ENDLESS = " word".repeat(1000);
  static final ObjectMapper JSON = new ObjectMapper();

  final Server server;
  private final HttpClient client = HttpClient.newHttpClient();

  TestServer(ServerOptions.Builder options, Callable<Engine> engine) {
    try {
      server = Server.start(options.port(0).build(), engine);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** One whose model answers texts with texts. */
  static TestServer answering(Function<String, String> answer) {
    TestServer server = new TestServer(ServerOptions.builder(), () -> engine(scripted(answer), 16));
    server.engine();
    return server;
  }

  /** One whose model writes the same token again and again, slowly. */
  static TestServer endless(ServerOptions.Builder options, int millis) {
    TestServer server = new TestServer(options, () -> engine(endless(millis), 64));
    server.engine();
    return server;
  }

  static EngineModel scripted(Function<String, String> answer) {
    return ScriptedModel.answering(
        Tokenizer.open(TINY), ChatTemplate.plain(), VOCABULARY, EOS, answer);
  }

  static EngineModel endless(int millis) {
    return scripted(
        _ -> {
          try {
            Thread.sleep(millis);
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          }
          return ENDLESS;
        });
  }

  static Engine engine(EngineModel model, int parallel) {
    return Engine.over(
        model,
        EngineOptions.builder()
            .parallel(parallel)
            .contextTokens(4096)
            .cacheMemory(64 << 20)
            .build());
  }

  Engine engine() {
    return server.ready().join();
  }

  /** An answer. */
  record Got(int status, HttpResponse<String> response) {
    JsonNode json() {
      return parse(response.body());
    }

    /** The JSON objects of server-sent events, without [DONE]. */
    List<JsonNode> events() {
      List<JsonNode> events = new ArrayList<>();
      for (String line : response.body().split("\n")) {
        if (line.startsWith("data: ") && !line.equals("data: [DONE]")) {
          events.add(parse(line.substring("data: ".length())));
        }
      }
      return events;
    }
  }

  static JsonNode parse(String text) {
    try {
      return JSON.readTree(text);
    } catch (IOException e) {
      throw new UncheckedIOException(text, e);
    }
  }

  HttpRequest.Builder request(String path) {
    return HttpRequest.newBuilder(server.uri().resolve(path)).timeout(PATIENCE);
  }

  Got send(HttpRequest.Builder request) {
    try {
      HttpResponse<String> response =
          client.send(request.build(), HttpResponse.BodyHandlers.ofString(StandardCharsets.UTF_8));
      return new Got(response.statusCode(), response);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  Got get(String path) {
    return send(request(path));
  }

  /** Posts JSON in which ' stands for ". */
  Got post(String path, String json) {
    return send(
        request(path)
            .header("Content-Type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofString(json.replace('\'', '"'))));
  }

  HttpClient client() {
    return client;
  }

  URI uri(String path) {
    return server.uri().resolve(path);
  }

  /** Waits until nothing runs or waits and every page is free. */
  void awaitIdle() {
    long end = System.nanoTime() + PATIENCE.toNanos();
    while (engine().statistics().load().running() > 0
        || engine().statistics().load().waiting() > 0
        || engine().statistics().cache().usedPages() > 0) {
      if (System.nanoTime() > end) {
        throw new AssertionError("still busy: " + engine().statistics());
      }
      Thread.onSpinWait();
    }
  }

  @Override
  public void close() {
    client.close();
    server.close();
  }
}

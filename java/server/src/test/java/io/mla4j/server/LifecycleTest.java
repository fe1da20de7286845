package io.mla4j.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.checkpoint.CheckpointException;
import java.io.IOException;
import java.net.ConnectException;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;

/**
 * Given a server that starts or stops, when it is asked, then it says so, and ends what it began.
 */
class LifecycleTest {
  @Test
  void itListensBeforeTheModelIsThere() {
    CountDownLatch latch = new CountDownLatch(1);
    try (TestServer server =
        new TestServer(
            ServerOptions.builder(),
            () -> {
              latch.await();
              return TestServer.engine(TestServer.scripted(_ -> "x"), 1);
            })) {
      for (String path : new String[] {"/health", "/v1/models", "/metrics"}) {
        TestServer.Got got = server.get(path);
        assertEquals(503, got.status());
        assertEquals("unavailable_error", got.json().get("error").get("type").textValue());
      }
      assertEquals(503, server.post("/completions", "{'prompt':'x'}").status());
      assertEquals(200, server.get("/").status());
      latch.countDown();
      server.engine();
      assertEquals(200, server.get("/health").status());
    }
  }

  @Test
  void aModelThatCannotBeOpenedIsToldOf() {
    try (TestServer server =
        new TestServer(
            ServerOptions.builder(),
            () -> {
              throw new CheckpointException("config.json: is missing");
            })) {
      CompletionException e =
          assertThrows(CompletionException.class, () -> server.server.ready().join());
      assertEquals("config.json: is missing", e.getCause().getMessage());
      assertEquals(503, server.get("/health").status());
    }
  }

  @Test
  void anAddressThatIsTakenIsNamed() {
    try (TestServer server = TestServer.answering(_ -> "x")) {
      int port = server.server.address().getPort();
      IOException e =
          assertThrows(
              IOException.class,
              () -> Server.start(ServerOptions.builder().port(port).build(), () -> null));
      assertTrue(e.getMessage().contains("127.0.0.1:" + port), e.getMessage());
    }
  }

  @Test
  void stoppingLetsWhatRunsEnd() throws IOException {
    try (TestServer server = TestServer.endless(ServerOptions.builder(), 5)) {
      try (Raw raw = new Raw(server)) {
        raw.send(Raw.post("/completions", "{'prompt':'x','max_tokens':60,'stream':true}"));
        raw.readUntil(" word");
        CompletableFuture<Boolean> stopped =
            CompletableFuture.supplyAsync(() -> server.server.stop(Duration.ofSeconds(10)));
        while (server.get("/health").status() == 200) {
          Thread.onSpinWait();
        }
        TestServer.Got refused = server.post("/completions", "{'prompt':'x'}");
        assertEquals(503, refused.status());
        assertEquals(200, server.get("/metrics").status());
        assertTrue(refused.response().headers().firstValue("retry-after").isPresent());
        String rest = raw.readUntil("[DONE]");
        assertTrue(rest.contains("\"finish_reason\":\"length\""), rest);
        assertTrue(stopped.join());
      }
      assertThrows(Exception.class, () -> new Raw(server).close());
    }
  }

  @Test
  void whatDoesNotEndInTimeIsCutOff() throws IOException {
    try (TestServer server = TestServer.endless(ServerOptions.builder(), 20);
        Raw raw = new Raw(server)) {
      raw.send(Raw.post("/completions", "{'prompt':'x','max_tokens':900,'stream':true}"));
      raw.readUntil(" word");
      assertEquals(false, server.server.stop(Duration.ofMillis(200)));
      assertTrue(raw.readAll().length() < 100_000);
    }
  }

  @Test
  void closingTwiceIsHarmless() {
    TestServer server = TestServer.answering(_ -> "x");
    server.server.close();
    server.close();
    assertThrows(
        ConnectException.class,
        () -> {
          try (var client = java.net.http.HttpClient.newHttpClient()) {
            client.send(
                server.request("/health").build(),
                java.net.http.HttpResponse.BodyHandlers.discarding());
          }
        });
  }
}

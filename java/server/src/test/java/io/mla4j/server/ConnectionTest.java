package io.mla4j.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * Given clients that stall, leave or send garbage, when the server meets them, then it lives on.
 */
class ConnectionTest {
  private static final String ENDLESS = "{'prompt':'x','max_tokens':900%s}";
  private static final int MOST_AFTER = 40;
  private static TestServer server;

  @BeforeAll
  static void start() {
    server =
        TestServer.endless(
            ServerOptions.builder()
                .limits(new Limits(8 << 20, 100, 10, 10, 4, 4, 0, Duration.ofSeconds(1))),
            5);
  }

  @AfterAll
  static void stop() {
    server.awaitIdle();
    assertEquals(200, server.post("/completions", "{'prompt':'x','max_tokens':1}").status());
    server.close();
  }

  /** Tokens of the text that ended last, or runs. */
  private static long generated() {
    return server.engine().statistics().counts().generatedTokens();
  }

  @Test
  void aReaderOfAStreamWhoLeavesFreesItsPages() throws IOException {
    try (Raw raw = new Raw(server)) {
      raw.send(Raw.post("/completions", ENDLESS.formatted(",'stream':true")));
      assertTrue(raw.readUntil(" word").contains("200 OK"));
    }
    long before = generated();
    server.awaitIdle();
    assertTrue(generated() - before < MOST_AFTER);
  }

  @Test
  void aReaderOfAWholeAnswerWhoLeavesFreesItsPages() throws IOException {
    long before = generated();
    try (Raw raw = new Raw(server)) {
      raw.send(Raw.post("/completions", ENDLESS.formatted("")));
      while (generated() < before + 3) {
        Thread.onSpinWait();
      }
    }
    server.awaitIdle();
    // Without reading anything of it the answer would have 900.
    assertTrue(generated() - before < 700, "" + (generated() - before));
  }

  @Test
  void blanksBeforeAWholeAnswerAreJson() {
    TestServer.Got got = server.post("/completions", "{'prompt':'x','max_tokens':250}");
    assertEquals(200, got.status());
    assertTrue(got.response().body().startsWith(" "));
    assertEquals(250, got.json().get("usage").get("completion_tokens").intValue());
  }

  /** What is answered, until the server closes the connection or the first line is there. */
  private static List<String> answers(String end, String... requests) {
    List<Future<String>> all = new ArrayList<>();
    try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      for (String request : requests) {
        all.add(
            threads.submit(
                () -> {
                  try (Raw raw = new Raw(server)) {
                    return raw.send(request).readUntil(end);
                  }
                }));
      }
    }
    return all.stream().map(Future::resultNow).toList();
  }

  @Test
  void aRequestThatDoesNotArriveIsCutOff() {
    for (String answer :
        answers(
            "\0",
            "",
            "POST /comp",
            "POST /completions HTTP/1.1\r\nHost: loc",
            "POST /completions HTTP/1.1\r\n"
                + "Host: localhost\r\n"
                + "Content-Length: 900\r\n\r\n"
                + "{\"prom")) {
      assertFalse(answer.contains(" 200 ") || answer.contains(" 500 "), answer);
    }
  }

  @Test
  void requestsOnOneConnectionAreAnsweredInTheirOrder() throws IOException {
    try (Raw raw = new Raw(server)) {
      raw.send(
          Raw.post("/completions", "{'prompt':'x','max_tokens':2}")
              + Raw.post("/completions", "{'prompt':'x','n':0}")
              + "GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n"
              + "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
      String all = raw.readAll();
      int first = all.indexOf("text_completion");
      int second = all.indexOf("n is 0");
      int third = all.indexOf("nothing is at");
      int last = all.indexOf("\"ok\"");
      assertTrue(0 < first && first < second && second < third && third < last, all);
    }
  }

  @Test
  void aBodyInChunksIsRead() throws IOException {
    try (Raw raw = new Raw(server)) {
      raw.send(
          "POST /completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
              + "Transfer-Encoding: chunked\r\n\r\n7\r\n{\"promp\r\n"
              + "16\r\nt\":\"x\",\"max_tokens\":1}\r\n0\r\n\r\n");
      assertTrue(raw.readAll().contains("text_completion"));
    }
  }

  @Test
  void garbageIsNoServerError() {
    for (String answer :
        answers(
            "\r\n",
            "\r\n\r\n\r\n",
            "hello\r\n\r\n",
            "\u0016\u0003\u0001\u0002\u0000\u0001",
            "GET / HTTP/9.9\r\n\r\n",
            "GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "POST /completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
            "POST /completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
                + "Transfer-Encoding: chunked\r\n\r\n",
            "POST /completions HTTP/1.1\r\n"
                + "Host: localhost\r\n"
                + "Transfer-Encoding: chunked\r\n\r\n"
                + "zz\r\n",
            "POST /completions HTTP/1.1\r\nHost: localhost\r\n"
                + "Transfer-Encoding: chunked\r\n\r\nffffffffffff\r\n{}",
            "GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + "x".repeat(100_000) + "\r\n\r\n",
            "GET /health HTTP/1.1\r\nHost: localhost\r\n" + "X: y\r\n".repeat(200) + "\r\n")) {
      assertFalse(answer.contains(" 500 "), answer);
    }
  }
}

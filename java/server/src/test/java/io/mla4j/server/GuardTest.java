package io.mla4j.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.InvalidArgumentException;
import java.io.IOException;
import java.net.http.HttpRequest;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Given keys and pages of other origins, when somebody asks, then only those who may are answered.
 */
class GuardTest {
  private static final String KEY = "sk-secret-1";
  private static TestServer server;

  @BeforeAll
  static void start() {
    server =
        new TestServer(
            ServerOptions.builder()
                .keys(List.of("other", KEY))
                .origins(List.of("https://app.example")),
            () -> TestServer.engine(TestServer.scripted(_ -> " fine"), 4));
    server.engine();
  }

  @AfterAll
  static void stop() {
    server.close();
  }

  private static TestServer.Got withKey(String header) {
    HttpRequest.Builder request = server.request("/v1/models");
    return server.send(header == null ? request : request.header("Authorization", header));
  }

  @Test
  void aKeyOpensTheDoor() {
    assertEquals(200, withKey("Bearer " + KEY).status());
    assertEquals(200, withKey("bearer other").status());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"Bearer", "Bearer sk-secret-2", "Bearer sk-secret-12", "Basic sk-secret-1", "x"})
  void anotherKeyDoesNot(String header) {
    TestServer.Got got = withKey(header);
    assertEquals(401, got.status());
    assertEquals("invalid_api_key", got.json().get("error").get("code").textValue());
    assertEquals("Bearer", got.response().headers().firstValue("www-authenticate").orElseThrow());
    assertTrue(!got.response().body().contains("secret"));
  }

  @Test
  void onlyHealthAndThePageNeedNone() {
    assertEquals(401, withKey(null).status());
    for (String path : List.of("/metrics", "/slots", "/models")) {
      assertEquals(401, server.get(path).status());
    }
    for (String path : List.of("/completions", "/chat/completions", "/responses", "/tokenize")) {
      assertEquals(401, server.post(path, "{}").status());
    }
    assertEquals(200, server.get("/health").status());
    assertEquals(200, server.get("/").status());
  }

  private static String answer(String origin, String host, String method) throws IOException {
    try (Raw raw = new Raw(server)) {
      raw.send(
          method
              + " /v1/models HTTP/1.1\r\nConnection: close\r\nAuthorization: Bearer "
              + KEY
              + "\r\nHost: "
              + host
              + (method.equals("OPTIONS") ? "\r\nAccess-Control-Request-Method: POST" : "")
              + (origin == null ? "" : "\r\nOrigin: " + origin)
              + "\r\n\r\n");
      return raw.readAll();
    }
  }

  @Test
  void pagesOfOtherOriginsMayNotAsk() throws IOException {
    assertTrue(answer("https://evil.example", "localhost", "GET").contains(" 403 "));
    assertTrue(answer("null", "localhost", "GET").contains(" 403 "));
    assertTrue(answer("http://localhost:81", "localhost:80", "GET").contains(" 403 "));
    assertTrue(answer("https://evil.example", "localhost", "OPTIONS").contains(" 403 "));
    assertTrue(answer("http://localhost:80", "localhost:80", "GET").contains(" 200 "));
  }

  @Test
  void thoseThatWereNamedMay() throws IOException {
    String answer = answer("https://app.example", "localhost", "GET");
    assertTrue(answer.contains(" 200 "), answer);
    assertTrue(answer.toLowerCase().contains("access-control-allow-origin: https://app.example"));
    String preflight = answer("https://app.example", "localhost", "OPTIONS");
    assertTrue(preflight.contains(" 204 "), preflight);
    assertTrue(preflight.toLowerCase().contains("access-control-allow-headers: authorization"));
  }

  @Test
  void aNameThatSomebodyPointedToThisMachineIsRefused() throws IOException {
    for (String host : List.of("evil.example", "evil.example:8080", "127.0.0.1.evil.example", "")) {
      assertTrue(answer(null, host, "GET").contains(" 403 "), host);
    }
    for (String host : List.of("localhost", "127.0.0.1:9", "[::1]:8080", "LocalHost:1")) {
      assertTrue(answer(null, host, "GET").contains(" 200 "), host);
    }
  }

  @Test
  void thePageAsksNobodyElse() {
    TestServer.Got page = server.get("/");
    String policy = page.response().headers().firstValue("content-security-policy").orElseThrow();
    assertTrue(policy.startsWith("default-src 'none'; connect-src 'self'"));
    assertTrue(!page.response().body().replace("http://www.w3.org/2000/svg", "").contains("http"));
    assertTrue(page.response().headers().firstValue("access-control-allow-origin").isEmpty());
  }

  @Test
  void optionsAreChecked() {
    for (ServerOptions.Builder wrong :
        List.of(
            ServerOptions.builder().port(70_000),
            ServerOptions.builder().keys(List.of("")),
            ServerOptions.builder().keys(List.of("a b")),
            ServerOptions.builder().origins(List.of("example.com")),
            ServerOptions.builder().modelName(" "))) {
      assertThrows(InvalidArgumentException.class, wrong::build);
    }
  }
}

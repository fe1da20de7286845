package io.mla4j.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.mla4j.InvalidArgumentException;
import io.mla4j.engine.Engine;
import io.mla4j.engine.EngineOptions;
import io.mla4j.testkit.FuzzTarget;
import io.mla4j.testkit.ReaderFuzz;
import java.io.IOException;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Given the body of a request that is changed ({@link ReaderFuzz}), when it is posted, then the
 * answer is one, or an error of the client in OpenAI's form, of one line; never one of the server,
 * which answers the next request.
 */
class BodyFuzzTest {
  private static final String CHAT =
      """
      {"model":"scripted","messages":[{"role":"system","content":"s"},
      {"role":"user","content":[{"type":"text","text":"Hello \\u00e9"}]},
      {"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function",
      "function":{"name":"add","arguments":"{\\"a\\":1}"}}]},
      {"role":"tool","tool_call_id":"c1","content":"2"}],
      "tools":[{"type":"function","function":{"name":"add","description":"adds","parameters":
      {"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}}}],
      "tool_choice":"auto","max_tokens":5,"n":2,"temperature":0.5,"top_p":0.9,"seed":7,
      "stop":["x","yy"],"logit_bias":{"5":-1},"logprobs":true,"top_logprobs":2,
      "presence_penalty":0.1,"frequency_penalty":-0.1,"user":"u"}
      """;

  private static final String COMPLETION =
      """
      {"model":"scripted","prompt":["Hello",[5,6,7]],"max_tokens":4,"echo":false,"n":1,
      "temperature":1,"logprobs":2,"stop":"z","seed":1,"suffix":null,"stream":false}
      """;

  private static final String RESPONSE =
      """
      {"model":"scripted","input":[{"role":"user","content":[{"type":"input_text","text":"Hi"}]},
      {"type":"function_call","call_id":"c","name":"f","arguments":"{}"},
      {"type":"function_call_output","call_id":"c","output":"1"}],"instructions":"short",
      "max_output_tokens":5,"temperature":0,"text":{"format":{"type":"json_schema","name":"x",
      "schema":{"type":"object","properties":{"a":{"type":"string"}}}}},"stream":false}
      """;

  /** What is fuzzed here. */
  public static final class Targets implements FuzzTarget.Provider {
    @Override
    public List<FuzzTarget> targets() {
      return List.of(
          new FuzzTarget("chat", _ -> open("v1/chat/completions", CHAT)),
          new FuzzTarget("completion", _ -> open("v1/completions", COMPLETION)),
          new FuzzTarget("response", _ -> open("v1/responses", RESPONSE)));
    }
  }

  static Stream<FuzzTarget> targets() {
    return new Targets().targets().stream();
  }

  @ParameterizedTest
  @MethodSource("targets")
  void changedBodiesAreAnsweredOrRefused(FuzzTarget target, @TempDir Path folder)
      throws IOException {
    ReaderFuzz.runRefusingSome(target, folder, 400);
  }

  private static FuzzTarget.Opened open(String path, String body) {
    byte[] original = body.getBytes(StandardCharsets.UTF_8);
    TestServer server = new TestServer(ServerOptions.builder(), BodyFuzzTest::engine);
    server.engine();
    post(server, path, original);
    return new FuzzTarget.Opened(
        original,
        original.length,
        bytes -> post(server, path, bytes),
        () -> {
          try (server) {
            assertEquals(200, server.get("v1/models").status());
          }
        });
  }

  /** A limit that is changed away must not let an answer grow long. */
  private static Engine engine() {
    return Engine.over(
        TestServer.scripted(prompt -> "You said: " + prompt),
        EngineOptions.builder().contextTokens(512).cacheMemory(64 << 20).build());
  }

  private static void post(TestServer server, String path, byte[] body) {
    TestServer.Got got =
        server.send(
            server
                .request(path)
                .header("Content-Type", "application/json")
                .POST(BodyPublishers.ofByteArray(body)));
    if (got.status() == 200) {
      return;
    }
    String said = got.status() + " " + got.response().body();
    assertTrue(got.status() >= 400 && got.status() < 500, said);
    JsonNode error = got.json().path("error");
    assertTrue(error.path("message").isTextual() && error.path("type").isTextual(), said);
    throw new InvalidArgumentException(error.path("message").asText());
  }
}

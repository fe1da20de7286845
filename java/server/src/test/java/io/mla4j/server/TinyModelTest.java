package io.mla4j.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.mla4j.engine.Engine;
import io.mla4j.engine.EngineOptions;
import io.mla4j.engine.Request;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Given the carried model, when it is served, then its texts are those of the engine. */
class TinyModelTest {
  private static TestServer server;

  @BeforeAll
  static void start() {
    server =
        new TestServer(
            ServerOptions.builder(),
            () ->
                Engine.open(
                    TestServer.TINY,
                    EngineOptions.builder().parallel(4).cacheMemory(64 << 20).build()));
    server.engine();
  }

  @AfterAll
  static void stop() {
    server.awaitIdle();
    server.close();
  }

  @Test
  void theTextOfTheEngine() {
    String expected =
        server
            .engine()
            .submit(Request.builder().prompt("In the beginning").maxTokens(24).build())
            .result()
            .join()
            .text();
    String body = "{'prompt':'In the beginning','max_tokens':24,'temperature':0%s}";
    JsonNode whole = server.post("/completions", body.formatted("")).json();
    assertEquals(expected, whole.get("choices").get(0).get("text").textValue());
    StringBuilder streamed = new StringBuilder();
    server
        .post("/completions", body.formatted(",'stream':true"))
        .events()
        .forEach(e -> streamed.append(e.get("choices").get(0).get("text").textValue()));
    assertEquals(expected, streamed.toString());
  }

  @Test
  void theSameSeedGivesTheSameText() {
    String body = "{'prompt':'In the','max_tokens':12,'seed':7}";
    assertEquals(
        server.post("/completions", body).json().get("choices"),
        server.post("/completions", body).json().get("choices"));
  }

  @Test
  void anAnswerIsJsonWhereThatIsAskedFor() {
    JsonNode answer =
        server
            .post(
                "/chat/completions",
                "{'messages':[{'role':'user','content':'x'}],'seed':3,'response_format':"
                    + "{'type':'json_schema','json_schema':{'name':'n','strict':true,'schema':"
                    + "{'type':'object','properties':{'a':{'enum':['yes','no']},'b':{'type':"
                    + "'boolean'}},'required':['a','b'],'additionalProperties':false}}}}")
            .json();
    String content = answer.get("choices").get(0).get("message").get("content").textValue();
    JsonNode json = TestServer.parse(content);
    assertTrue(json.get("a").textValue().matches("yes|no"), content);
    assertTrue(json.get("b").isBoolean(), content);
    assertEquals(2, json.size());
  }
}

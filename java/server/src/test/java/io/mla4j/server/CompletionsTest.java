package io.mla4j.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Given a model whose answers are known, when completions are asked for, then they are these. */
class CompletionsTest {
  private static final String ANSWER =
      " was the Word, and the Word was with God, and the Word was God. The same was there.";
  private static TestServer server;

  @BeforeAll
  static void start() {
    server = TestServer.answering(_ -> ANSWER);
  }

  @AfterAll
  static void stop() {
    server.close();
  }

  @Test
  void aWholeTextWithItsUsage() {
    TestServer.Got got =
        server.post("/v1/completions", "{'prompt':'In the beginning','max_tokens':99,'shoe':[1]}");
    assertEquals(200, got.status());
    JsonNode json = got.json();
    assertEquals("text_completion", json.get("object").textValue());
    assertEquals("scripted", json.get("model").textValue());
    JsonNode choice = json.get("choices").get(0);
    assertEquals(ANSWER, choice.get("text").textValue());
    assertEquals("stop", choice.get("finish_reason").textValue());
    JsonNode usage = json.get("usage");
    assertEquals(
        usage.get("total_tokens").intValue(),
        usage.get("prompt_tokens").intValue() + usage.get("completion_tokens").intValue());
    assertTrue(usage.get("completion_tokens").intValue() > 5);
  }

  @Test
  void sixteenTokensWhereNoneAreAskedFor() {
    JsonNode json = server.post("/completions", "{'prompt':'a'}").json();
    assertEquals(16, json.get("usage").get("completion_tokens").intValue());
    assertEquals("length", json.get("choices").get(0).get("finish_reason").textValue());
  }

  @Test
  void piecesOfAStreamAreTheWholeText() {
    TestServer.Got got =
        server.post(
            "/v1/completions",
            "{'prompt':'x','max_tokens':99,'stream':true,'stream_options':{'include_usage':true}}");
    assertEquals(
        "text/event-stream; charset=utf-8",
        got.response().headers().firstValue("content-type").orElseThrow());
    assertTrue(got.response().body().endsWith("data: [DONE]\n\n"));
    List<JsonNode> events = got.events();
    StringBuilder text = new StringBuilder();
    for (JsonNode event : events) {
      event.get("choices").forEach(choice -> text.append(choice.get("text").textValue()));
    }
    assertEquals(ANSWER, text.toString());
    assertTrue(events.size() > 5);
    assertEquals(0, events.getLast().get("choices").size());
    assertTrue(events.getLast().get("usage").get("completion_tokens").intValue() > 5);
    JsonNode last = events.get(events.size() - 2);
    assertEquals("stop", last.get("choices").get(0).get("finish_reason").textValue());
  }

  @Test
  void noUsageInAStreamThatDoesNotAskForIt() {
    TestServer.Got got = server.post("/completions", "{'prompt':'x','stream':true}");
    got.events().forEach(event -> assertFalse(event.has("usage")));
  }

  @Test
  void severalPromptsWithSeveralTextsEach() {
    JsonNode json =
        server.post("/completions", "{'prompt':['a','b',[5,6]],'n':2,'max_tokens':3}").json();
    assertEquals(6, json.get("choices").size());
    for (int i = 0; i < 6; i++) {
      assertEquals(i, json.get("choices").get(i).get("index").intValue());
    }
    assertEquals(18, json.get("usage").get("completion_tokens").intValue());
    List<JsonNode> events =
        server
            .post("/completions", "{'prompt':['a','b'],'n':2,'max_tokens':3,'stream':true}")
            .events();
    assertEquals(
        4,
        events.stream()
            .filter(e -> !e.get("choices").get(0).get("finish_reason").isNull())
            .count());
  }

  @Test
  void theEchoComesFirst() {
    String body = "{'prompt':'In the beginning','max_tokens':99,'echo':true%s}";
    JsonNode whole = server.post("/completions", body.formatted("")).json();
    assertEquals("In the beginning" + ANSWER, whole.get("choices").get(0).get("text").textValue());
    List<JsonNode> events = server.post("/completions", body.formatted(",'stream':true")).events();
    assertEquals(
        "In the beginning", events.getFirst().get("choices").get(0).get("text").textValue());
  }

  @Test
  void aStopTextEndsTheTextAndIsLeftOut() {
    JsonNode choice =
        server
            .post("/completions", "{'prompt':'x','max_tokens':99,'stop':[' with','zzz']}")
            .json()
            .get("choices")
            .get(0);
    assertEquals(" was the Word, and the Word was", choice.get("text").textValue());
    assertEquals("stop", choice.get("finish_reason").textValue());
  }

  @Test
  void logarithmsOfEveryToken() {
    JsonNode logprobs =
        server
            .post("/completions", "{'prompt':'x','max_tokens':4,'logprobs':3}")
            .json()
            .get("choices")
            .get(0)
            .get("logprobs");
    assertEquals(4, logprobs.get("tokens").size());
    assertEquals(4, logprobs.get("text_offset").size());
    for (int i = 0; i < 4; i++) {
      assertTrue(logprobs.get("token_logprobs").get(i).doubleValue() <= 0);
      String token = logprobs.get("tokens").get(i).textValue();
      assertTrue(logprobs.get("top_logprobs").get(i).has(token));
    }
    assertEquals(0, logprobs.get("text_offset").get(0).intValue());
  }

  @Test
  void aBiasForbidsATokenThatTheModelWouldChoose() {
    int id = server.engine().model().tokenizer().encode(ANSWER, false)[0];
    JsonNode with =
        server
            .post(
                "/completions",
                "{'prompt':'x','max_tokens':1,'temperature':0,'logit_bias':{'%d':-100}}"
                    .formatted(id))
            .json();
    JsonNode without =
        server.post("/completions", "{'prompt':'x','max_tokens':1,'temperature':0}").json();
    assertFalse(
        without.get("choices").get(0).get("text").equals(with.get("choices").get(0).get("text")));
  }

  @Test
  void tokensAndTheirTexts() {
    JsonNode tokens = server.post("/tokenize", "{'content':'the Word','with_pieces':true}").json();
    StringBuilder ids = new StringBuilder();
    StringBuilder pieces = new StringBuilder();
    for (JsonNode token : tokens.get("tokens")) {
      ids.append(ids.isEmpty() ? "" : ",").append(token.get("id"));
      pieces.append(token.get("piece").textValue());
    }
    assertTrue(pieces.toString().endsWith("the Word"));
    assertEquals(tokens.get("count").intValue(), tokens.get("tokens").size());
    assertTrue(
        server
            .post("/detokenize", "{'tokens':[" + ids + "]}")
            .json()
            .get("content")
            .textValue()
            .endsWith("the Word"));
  }

  @Test
  void whatIsServed() {
    JsonNode models = server.get("/v1/models").json();
    assertEquals(1, models.get("data").size());
    assertEquals("scripted", models.get("data").get(0).get("id").textValue());
    assertEquals(4096, models.get("data").get(0).get("max_model_len").intValue());
    assertEquals("model", server.get("/models/scripted").json().get("object").textValue());
    assertEquals(404, server.get("/models/gpt-7").status());
    assertEquals("ok", server.get("/health").json().get("status").textValue());
    assertEquals("ok", server.get("/v1/health").json().get("status").textValue());
    assertEquals(0, server.get("/slots").json().get("slots").size());
  }

  @Test
  void metricsHaveTheNamesOfDashboards() {
    server.post("/completions", "{'prompt':'x','max_tokens':4}");
    String text = server.get("/metrics").response().body();
    for (String name :
        List.of(
            "num_requests_running",
            "num_requests_waiting",
            "kv_cache_usage_perc",
            "prefix_cache_queries_total",
            "prefix_cache_hits_total",
            "prompt_tokens_total",
            "generation_tokens_total",
            "num_preemptions_total",
            "time_to_first_token_seconds_bucket",
            "inter_token_latency_seconds_count",
            "e2e_request_latency_seconds_sum")) {
      assertTrue(text.contains("\nmla4j:" + name + "{model_name=\"scripted\""), name);
    }
    assertTrue(text.contains("finished_reason=\"length\"} "));
    for (String line : text.split("\n")) {
      assertTrue(line.matches("# (HELP|TYPE) .*|[a-z0-9_:]+\\{.*} [-+0-9.E]+"), line);
    }
  }

  @Test
  void withoutMaxTokensWhatFitsIsEnough() {
    String most = "[" + "5,".repeat(4090) + "5]";
    TestServer.Got got = server.post("/completions", "{'prompt':" + most + ",'ignore_eos':true}");
    assertEquals(200, got.status(), got.response().body());
    assertEquals(5, got.json().get("usage").get("completion_tokens").intValue());
    assertEquals(
        400, server.post("/completions", "{'prompt':" + most + ",'max_tokens':16}").status());
  }
}

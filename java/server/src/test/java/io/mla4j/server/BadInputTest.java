package io.mla4j.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.http.HttpRequest;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Given bad input, when it is sent, then the answer names the field, and no page is lost. */
class BadInputTest {
  private static TestServer server;

  @BeforeAll
  static void start() {
    server = TestServer.answering(_ -> " fine");
  }

  @AfterAll
  static void stop() {
    server.awaitIdle();
    assertEquals(200, server.post("/completions", "{'prompt':'x'}").status());
    server.close();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "completions|400|prompt|{}",
        "completions|400|prompt|{'prompt':null}",
        "completions|400|prompt|{'prompt':7}",
        "completions|400|prompt|{'prompt':[]}",
        "completions|400|prompt[0]|{'prompt':[99999]}",
        "completions|400|prompt[1]|{'prompt':[1,-2]}",
        "completions|400|prompt[1]|{'prompt':['a',{}]}",
        "completions|400|prompt[1][0]|{'prompt':['a',['b']]}",
        "completions|400|n|{'prompt':'x','n':0}",
        "completions|400|n|{'prompt':'x','n':1000000}",
        "completions|400|n|{'prompt':'x','n':'two'}",
        "completions|400|n|{'prompt':'x','n':1.5}",
        "completions|400|best_of|{'prompt':'x','best_of':3}",
        "completions|400|suffix|{'prompt':'x','suffix':'y'}",
        "completions|400|max_tokens|{'prompt':'x','max_tokens':0}",
        "completions|400|max_tokens|{'prompt':'x','max_tokens':-1}",
        "completions|400|max_tokens|{'prompt':'x','max_tokens':4096}",
        "completions|400|max_tokens|{'prompt':'x','max_tokens':99999999999999999999}",
        "completions|400|max_completion_tokens|{'prompt':'x','max_tokens':4,'max_completion_tokens':'y'}",
        "completions|400|temperature|{'prompt':'x','temperature':-1}",
        "chat/completions|400|chat_template_kwargs.bos_token|"
            + "{'messages':[{'role':'user','content':'x'}],'chat_template_kwargs':{'bos_token':5}}",
        "chat/completions|400|chat_template_kwargs.range|"
            + "{'messages':[{'role':'user','content':'x'}],'chat_template_kwargs':{'range':5}}",
        "chat/completions|400|response_format|"
            + "{'messages':[{'role':'user','content':'x'}],'response_format':"
            + "{'type':'json_schema','json_schema':{'name':'a','schema':{'type':'shoe'}}}}",
        "chat/completions|400|tool_choice|"
            + "{'messages':[{'role':'user','content':'x'}],'tool_choice':'required','tools':"
            + "[{'type':'function','function':{'name':'f','parameters':{'type':'shoe'}}}]}",
        "responses|400|text.format|{'input':'x','text':{'format':"
            + "{'type':'json_schema','name':'a','schema':{'type':'shoe'}}}}",
        "completions|400|temperature|{'prompt':'x','temperature':'warm'}",
        "completions|400|top_p|{'prompt':'x','top_p':2}",
        "completions|400|top_k|{'prompt':'x','top_k':-7}",
        "completions|400|min_p|{'prompt':'x','min_p':1.1}",
        "completions|400|presence_penalty|{'prompt':'x','presence_penalty':3}",
        "completions|400|frequency_penalty|{'prompt':'x','frequency_penalty':-3}",
        "completions|400|repetition_penalty|{'prompt':'x','repetition_penalty':-1}",
        "completions|400|seed|{'prompt':'x','seed':'s'}",
        "completions|400|stop|{'prompt':'x','stop':7}",
        "completions|400|stop|{'prompt':'x','stop':['']}",
        "completions|400|stop[1]|{'prompt':'x','stop':['a',1]}",
        "completions|400|stop_token_ids[0]|{'prompt':'x','stop_token_ids':[-1]}",
        "completions|400|logprobs|{'prompt':'x','logprobs':99}",
        "completions|400|logit_bias|{'prompt':'x','logit_bias':{'cat':1}}",
        "completions|400|logit_bias.5|{'prompt':'x','logit_bias':{'5':1000}}",
        "completions|400|logit_bias|{'prompt':'x','logit_bias':{'4096':1}}",
        "completions|400|stream|{'prompt':'x','stream':'yes'}",
        "completions|400|stream_options|{'prompt':'x','stream_options':[]}",
        "completions|404|model|{'prompt':'x','model':'gpt-7'}",
        "completions|400|model|{'prompt':'x','model':{}}",
        "completions|400|prompt|{'prompt':'x",
        "completions|400|a.b[1]|{'a':{'b':[1,x",
        "completions|400|prompt|{'prompt':'x','prompt':'y'}",
        "completions|400|prompt|{'prompt': NaN}",
        "tokenize|400|content|{}",
        "tokenize|400|content|{'content':1}",
        "detokenize|400|tokens|{}",
        "detokenize|400|tokens[0]|{'tokens':[-1]}",
        "detokenize|400|tokens|{'tokens':{}}",
      })
  void isRefusedByName(String path, int status, String field, String body) {
    TestServer.Got got = server.post("/v1/" + path, body);
    assertEquals(status, got.status(), got.response().body());
    JsonNode error = got.json().get("error");
    assertEquals(field, error.get("param").textValue(), got.response().body());
    String name = field.replaceAll("^.*[.]", "");
    assertTrue(error.get("message").textValue().contains(name), got.response().body());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {"`[]`", "7", "`\"x\"`", "`{} {}`", "`{`", "`}`", "``", "`\u0000`", "nul"})
  void aBodyThatIsNoObjectIsRefused(String body) {
    TestServer.Got got = server.post("/completions", body == null ? "" : body);
    assertEquals(400, got.status(), got.response().body());
    assertTrue(got.json().get("error").get("message").textValue().contains("body"));
  }

  @Test
  void deepNestingIsRefused() {
    TestServer.Got got =
        server.post("/completions", "{'prompt':" + "[".repeat(100_000) + "]".repeat(100_000) + "}");
    assertEquals(400, got.status());
    assertTrue(got.json().get("error").get("param").textValue().startsWith("prompt[0][0]"));
  }

  @Test
  void aBodyOfTenMegabytesIsRefused() {
    TestServer.Got got =
        server.post("/chat/completions", "{'messages':'" + "x".repeat(10 << 20) + "'}");
    assertEquals(413, got.status());
    assertTrue(got.json().get("error").get("message").textValue().contains("body"));
  }

  @Test
  void aPromptBeyondTheContextIsRefused() {
    TestServer.Got got = server.post("/completions", "{'prompt':'" + "word ".repeat(20_000) + "'}");
    assertEquals(400, got.status());
    assertEquals("prompt", got.json().get("error").get("param").textValue());
    assertEquals("context_length_exceeded", got.json().get("error").get("code").textValue());
  }

  @Test
  void whatNoContextHasRoomForIsRefusedWithoutItsTokens() {
    String text = "the word ".repeat(800_000);
    for (String path :
        new String[] {"/completions", "/chat/completions", "/tokenize", "/apply-template"}) {
      TestServer.Got got =
          server.post(
              path,
              path.startsWith("/chat") || path.startsWith("/apply")
                  ? "{'messages':[{'role':'user','content':'" + text + "'}]}"
                  : "{'prompt':'" + text + "'}");
      assertEquals(400, got.status());
      JsonNode error = got.json().get("error");
      assertEquals("context_length_exceeded", error.get("code").textValue());
      assertTrue(error.get("message").textValue().contains("bytes"), error.toString());
    }
  }

  @Test
  void aFailureWithoutAMessageIsToldByItsKind() {
    String message = Router.refusal(new StackOverflowError()).getMessage();
    assertTrue(message.contains("StackOverflowError"), message);
  }

  @Test
  void longNumbersAreCut() {
    TestServer.Got got =
        server.post("/completions", "{'prompt':'x','seed':" + "9".repeat(399) + "}");
    assertEquals(400, got.status());
    assertTrue(got.json().get("error").get("message").textValue().length() < 200);
  }

  @Test
  void invalidUtf8IsRefused() {
    byte[] body = "{\"prompt\":\"x?\"}".getBytes(StandardCharsets.UTF_8);
    body[12] = (byte) 0xc3;
    TestServer.Got got =
        server.send(
            server.request("/completions").POST(HttpRequest.BodyPublishers.ofByteArray(body)));
    assertEquals(400, got.status());
    assertEquals("prompt", got.json().get("error").get("param").textValue());
  }

  @Test
  void otherEncodingsAreRefused() {
    byte[] overlong = "{\"prompt\":\"x??\"}".getBytes(StandardCharsets.UTF_8);
    overlong[12] = (byte) 0xc0;
    overlong[13] = (byte) 0xaf;
    for (byte[] body :
        List.of(overlong, "{\"prompt\":\"x\"}".getBytes(StandardCharsets.UTF_16LE))) {
      TestServer.Got got =
          server.send(
              server.request("/completions").POST(HttpRequest.BodyPublishers.ofByteArray(body)));
      assertEquals(400, got.status());
      assertTrue(got.json().get("error").get("message").textValue().contains("UTF-8"));
    }
  }

  @Test
  void wrongMethodsAndPlacesAreRefused() {
    TestServer.Got got = server.get("/v1/completions");
    assertEquals(405, got.status());
    assertEquals("POST", got.response().headers().firstValue("allow").orElseThrow());
    assertEquals(405, server.post("/v1/models", "{}").status());
    assertEquals(405, server.post("/", "{}").status());
    assertEquals(404, server.get("/v1/embeddings").status());
    assertEquals(404, server.get("/v1/v1/models").status());
    assertEquals(404, server.get("/%2e%2e/etc/passwd").status());
    assertEquals(
        405,
        server
            .send(server.request("/health").method("DELETE", HttpRequest.BodyPublishers.noBody()))
            .status());
    assertEquals(
        405,
        server
            .send(server.request("/models").method("OPTIONS", HttpRequest.BodyPublishers.noBody()))
            .status());
  }
}

package io.mla4j.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.mla4j.engine.ScriptedModel;
import io.mla4j.text.ChatTemplate;
import io.mla4j.text.Tokenizer;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Given a model that thinks, answers and calls tools as a script says, when a conversation is sent
 * to chat completions or responses, then the answer has these parts.
 */
class ChatTest {
  private static final String TEMPLATE =
      """
      {% for m in messages %}[{{ m.role }}] {{ m.content }}
      {% for c in m.tool_calls or [] %}{{ c.id }}={{ c.function.name }}{% endfor %}{% endfor %}\
      {% if tools %}Tools: {{ tools | tojson }} <tool_call></tool_call>{% endif %}\
      {% if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}\
      """;

  private static final String TOOLS =
      "'tools':[{'type':'function','function':{'name':'weather','description':'d','parameters':"
          + "{'type':'object','properties':{'place':{'type':'string'}}}}}]";

  private static TestServer server;

  private static String script(String prompt) {
    if (prompt.contains("<think></think>")) {
      return "At once.";
    }
    if (prompt.contains("Tools:") && !prompt.contains("[tool]")) {
      return "<think>I must look.</think>Let me see.<tool_call>{\"name\": \"weather\","
          + " \"arguments\": {\"place\": \"Lima\"}}</tool_call>";
    }
    return prompt.contains("think hard") ? "<think>Hm.</think>Yes." : "Hello, " + prompt.strip();
  }

  @BeforeAll
  static void start() {
    server =
        new TestServer(
            ServerOptions.builder(),
            () ->
                TestServer.engine(
                    ScriptedModel.answering(
                        Tokenizer.open(TestServer.TINY),
                        ChatTemplate.of("test", TEMPLATE, TestServer.TINY),
                        TestServer.VOCABULARY,
                        1,
                        ChatTest::script),
                    8));
    server.engine();
  }

  @AfterAll
  static void stop() {
    server.awaitIdle();
    server.close();
  }

  private static String user(String text, String more) {
    return "{'messages':[{'role':'user','content':'" + text + "'}]" + more + "}";
  }

  private static JsonNode message(TestServer.Got got) {
    assertEquals(200, got.status(), got.response().body());
    return got.json().get("choices").get(0).get("message");
  }

  @Test
  void messagesOfAllKindsReachTheTemplate() {
    TestServer.Got got =
        server.post(
            "/v1/apply-template",
            "{'messages':[{'role':'developer','content':'be brief'},"
                + "{'role':'user','content':[{'type':'text','text':'a'},{'type':'text','text':'b'}]},"
                + "{'role':'assistant','content':null,'tool_calls':[{'id':'c1','type':'function',"
                + "'function':{'name':'f','arguments':'{}'}}]},"
                + "{'role':'tool','tool_call_id':'c1','content':'42'}]}");
    assertEquals(200, got.status(), got.response().body());
    String prompt = got.json().get("prompt").textValue();
    assertTrue(prompt.startsWith("[system] be brief\n[user] ab\n[assistant] "), prompt);
    assertTrue(prompt.contains("c1=f"), prompt);
    assertTrue(prompt.contains("[tool] 42"), prompt);
    assertEquals(
        got.json().get("count").intValue(),
        server.post("/tokenize", user("x", "")).json().get("tokens").size()
            + got.json().get("count").intValue()
            - server.post("/apply-template", user("x", "")).json().get("count").intValue());
  }

  @Test
  void aWholeAnswer() {
    TestServer.Got got = server.post("/v1/chat/completions", user("it is me", ",'shoe':1"));
    assertEquals("Hello, [user] it is me", message(got).get("content").textValue());
    assertEquals("assistant", message(got).get("role").textValue());
    assertEquals("chat.completion", got.json().get("object").textValue());
    assertEquals("stop", got.json().get("choices").get(0).get("finish_reason").textValue());
    assertTrue(got.json().get("usage").get("total_tokens").intValue() > 10);
  }

  @Test
  void reasoningStandsApart() {
    TestServer.Got got = server.post("/chat/completions", user("think hard", ""));
    assertEquals("Hm.", message(got).get("reasoning_content").textValue());
    assertEquals("Yes.", message(got).get("content").textValue());
    JsonNode usage = got.json().get("usage").get("completion_tokens_details");
    assertTrue(usage.get("reasoning_tokens").intValue() > 0);
  }

  @Test
  void variablesOfTheTemplateCanBeSet() {
    for (String how :
        List.of(
            ",'chat_template_kwargs':{'enable_thinking':false}", ",'reasoning_effort':'none'")) {
      TestServer.Got got = server.post("/chat/completions", user("think hard", how));
      assertEquals("At once.", message(got).get("content").textValue());
    }
  }

  @Test
  void toolCallsStandApart() {
    TestServer.Got got = server.post("/chat/completions", user("weather", "," + TOOLS));
    JsonNode call = message(got).get("tool_calls").get(0);
    assertEquals("function", call.get("type").textValue());
    assertEquals("weather", call.get("function").get("name").textValue());
    assertEquals(
        "Lima",
        TestServer.parse(call.get("function").get("arguments").textValue())
            .get("place")
            .textValue());
    assertFalse(call.get("id").textValue().isEmpty());
    assertEquals("tool_calls", got.json().get("choices").get(0).get("finish_reason").textValue());
    assertEquals("Let me see.", message(got).get("content").textValue().strip());
  }

  @Test
  void piecesOfAStreamAreTheWholeAnswer() {
    TestServer.Got got =
        server.post(
            "/v1/chat/completions",
            user(
                "weather", "," + TOOLS + ",'stream':true,'stream_options':{'include_usage':true}"));
    StringBuilder content = new StringBuilder();
    StringBuilder reasoning = new StringBuilder();
    StringBuilder arguments = new StringBuilder();
    String reason = null;
    for (JsonNode event : got.events()) {
      assertEquals("chat.completion.chunk", event.get("object").textValue());
      for (JsonNode choice : event.get("choices")) {
        JsonNode delta = choice.get("delta");
        content.append(delta.path("content").asText(""));
        reasoning.append(delta.path("reasoning_content").asText(""));
        for (JsonNode call : delta.path("tool_calls")) {
          assertEquals(0, call.get("index").intValue());
          arguments.append(call.get("function").get("arguments").textValue());
        }
        reason = choice.get("finish_reason").asText();
      }
    }
    assertEquals("Let me see.", content.toString().strip());
    assertEquals("I must look.", reasoning.toString());
    assertEquals("Lima", TestServer.parse(arguments.toString()).get("place").textValue());
    assertEquals("tool_calls", reason);
    assertTrue(got.events().getLast().get("usage").get("completion_tokens").intValue() > 10);
    assertTrue(got.response().body().endsWith("data: [DONE]\n\n"));
  }

  @Test
  void severalAnswersWithLogarithms() {
    TestServer.Got got =
        server.post(
            "/chat/completions",
            user("hi", ",'n':3,'logprobs':true,'top_logprobs':2,'max_completion_tokens':4"));
    assertEquals(3, got.json().get("choices").size());
    for (JsonNode choice : got.json().get("choices")) {
      JsonNode tokens = choice.get("logprobs").get("content");
      assertEquals(4, tokens.size());
      assertEquals(2, tokens.get(0).get("top_logprobs").size());
      assertTrue(tokens.get(0).get("bytes").size() > 0);
      assertEquals("length", choice.get("finish_reason").textValue());
    }
  }

  @Test
  void aResponse() {
    TestServer.Got got =
        server.post("/v1/responses", "{'input':'it is me','instructions':'be kind'}");
    assertEquals(200, got.status(), got.response().body());
    JsonNode item = got.json().get("output").get(0);
    assertEquals("message", item.get("type").textValue());
    assertEquals(
        "Hello, [system] be kind\n[user] it is me",
        item.get("content").get(0).get("text").textValue());
    assertEquals("completed", got.json().get("status").textValue());
    assertTrue(got.json().get("usage").get("output_tokens").intValue() > 3);
    JsonNode cut = server.post("/responses", "{'input':'it is me','max_output_tokens':2}").json();
    assertEquals("incomplete", cut.get("status").textValue());
  }

  @Test
  void aResponseGoesOnAfterACall() {
    String tools = ",'tools':[{'type':'function','name':'weather','parameters':{'type':'object'}}]";
    JsonNode first = server.post("/responses", "{'input':'weather'" + tools + "}").json();
    JsonNode call = first.get("output").get(2);
    assertEquals("reasoning", first.get("output").get(0).get("type").textValue());
    assertEquals("function_call", call.get("type").textValue());
    String items =
        first.get("output").toString().replaceAll("]$", "").replace("\"", "'")
            + ",{'type':'function_call_output','call_id':"
            + call.get("call_id")
            + ",'output':'warm'}]";
    TestServer.Got second =
        server.post(
            "/responses",
            "{'input':"
                + items
                    .replaceFirst("^\\[", "[{'role':'user','content':'weather'},")
                    .replace("\\'", "\\\"")
                + tools
                + "}");
    assertEquals(200, second.status(), second.response().body());
    String text = second.json().get("output").get(0).get("content").get(0).get("text").textValue();
    assertTrue(text.contains("[tool] warm"), text);
  }

  @Test
  void eventsOfAResponseAreNumberedAndEndWithIt() {
    TestServer.Got got = server.post("/responses", "{'input':'think hard','stream':true}");
    List<JsonNode> events = got.events();
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < events.size(); i++) {
      assertEquals(i, events.get(i).get("sequence_number").intValue());
      if (events.get(i).get("type").textValue().equals("response.output_text.delta")) {
        text.append(events.get(i).get("delta").textValue());
      }
    }
    assertEquals("Yes.", text.toString());
    assertEquals("response.created", events.getFirst().get("type").textValue());
    JsonNode last = events.getLast();
    assertEquals("response.completed", last.get("type").textValue());
    assertEquals(2, last.get("response").get("output").size());
    assertTrue(got.response().body().contains("event: response.output_item.done\n"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "chat/completions|messages|{}",
        "chat/completions|messages|{'messages':[]}",
        "chat/completions|messages|{'messages':'hi'}",
        "chat/completions|messages[0]|{'messages':['hi']}",
        "chat/completions|messages[0].role|{'messages':[{'content':'x'}]}",
        "chat/completions|messages[0].role|{'messages':[{'role':'king','content':'x'}]}",
        "chat/completions|messages[0].content|{'messages':[{'role':'user'}]}",
        "chat/completions|messages[0].content|{'messages':[{'role':'user','content':7}]}",
        "chat/completions|messages[0].content[0].type|{'messages':[{'role':'user','content':[{'type':'image_url'}]}]}",
        "chat/completions|messages[0].tool_calls[0].function|{'messages':[{'role':'assistant','tool_calls':[{}]}]}",
        "chat/completions|functions|{'messages':[{'role':'user','content':'x'}],'functions':[]}",
        "chat/completions|tools[0].type|{'messages':[{'role':'user','content':'x'}],'tools':[{'type':'x'}]}",
        "chat/completions|tools[0].function.name|{'messages':[{'role':'user','content':'x'}],'tools':[{'type':'function','function':{}}]}",
        "chat/completions|tool_choice|{'messages':[{'role':'user','content':'x'}],'tool_choice':'maybe'}",
        "chat/completions|tool_choice|{'messages':[{'role':'user','content':'x'}],'tool_choice':'required'}",
        "chat/completions|response_format.type|{'messages':[{'role':'user','content':'x'}],'response_format':{'type':'xml'}}",
        "chat/completions|response_format.json_schema|{'messages':[{'role':'user','content':'x'}],'response_format':{'type':'json_schema'}}",
        "chat/completions|response_format.json_schema.schema|{'messages':[{'role':'user','content':'x'}],'response_format':{'type':'json_schema','json_schema':{'name':'n','schema':7}}}",
        "chat/completions|top_logprobs|{'messages':[{'role':'user','content':'x'}],'top_logprobs':2}",
        "chat/completions|max_completion_tokens|{'messages':[{'role':'user','content':'x'}],'max_completion_tokens':4096}",
        "responses|input|{}",
        "responses|input|{'input':[]}",
        "responses|input[0].type|{'input':[{'type':'image'}]}",
        "responses|input[0].call_id|{'input':[{'type':'function_call_output','output':'x'}]}",
        "responses|previous_response_id|{'input':'x','previous_response_id':'r'}",
        "responses|n|{'input':'x','n':2}",
      })
  void whatIsWrongIsNamed(String path, String field, String body) {
    TestServer.Got got = server.post("/v1/" + path, body);
    assertEquals(400, got.status(), got.response().body());
    JsonNode error = got.json().get("error");
    assertEquals(field, error.get("param").asText(), got.response().body());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{'type':'shoe'}",
        "{'type':'object','properties':7}",
        "{'$ref':'http://example.com/x'}",
        "{'$ref':'#'}",
        "{'type':'object','patternProperties':{'x':{}}}",
      })
  void aSchemaThatIsNoneOrEndlessIsRefused(String schema) {
    TestServer.Got got =
        server.post(
            "/chat/completions",
            user(
                "x",
                ",'response_format':{'type':'json_schema','json_schema':{'name':'n','schema':"
                    + schema
                    + "}}"));
    assertEquals(400, got.status(), got.response().body());
    assertFalse(got.json().get("error").get("message").textValue().isBlank());
  }

  @Test
  void aSchemaOfAToolIsRefusedByName() {
    String tool = "{'type':'function','function':{'name':'%s','parameters':{'type':'%s'}}}";
    TestServer.Got got =
        server.post(
            "/chat/completions",
            "{'messages':[{'role':'user','content':'x'}],'tool_choice':'required','tools':["
                + tool.formatted("good", "object")
                + ","
                + tool.formatted("bad", "shoe")
                + "]}");
    assertEquals(400, got.status());
    assertEquals(
        "tools[1].function.parameters",
        got.json().get("error").get("param").textValue(),
        got.response().body());
  }
}

package io.mla4j.engine.chat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.InvalidArgumentException;
import io.mla4j.engine.Engine;
import io.mla4j.engine.EngineModel;
import io.mla4j.engine.EngineOptions;
import io.mla4j.engine.FinishReason;
import io.mla4j.engine.Request;
import io.mla4j.engine.ScriptedModel;
import io.mla4j.engine.json.PlainJson;
import io.mla4j.text.ChatTemplate;
import io.mla4j.text.Tokenizer;
import io.mla4j.text.template.TemplateException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Flow;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.junit.jupiter.api.Test;

/** Given an engine, when conversations are continued, then answers have structure. */
class ChatsTest {
  private static final Path TINY = Path.of(System.getProperty("mla4j.root"), "models/tiny-mla");
  private static final int EOS = 1;

  private static final String PLAIN =
      "{% for m in messages %}<{{ m.role }}>{{ m.reasoning_content or '' }}{{ m.content or '' }}"
          + "{% for c in m.tool_calls or [] %}[{{ c.function.name }}"
          + "{{ c.function.arguments | tojson }}]{% endfor %}\n{% endfor %}"
          + "{% for t in tools or [] %}{{ t | tojson }}\n{% endfor %}<assistant>";

  private static final Tool DIGIT =
      new Tool(
          "digit",
          "Takes a digit.",
          map(
              "{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\",\"minimum\":0,"
                  + "\"maximum\":9}},\"required\":[\"n\"],\"additionalProperties\":false}"));

  private static final Tool OTHER = new Tool("other", null, Map.of());

  @SuppressWarnings("unchecked")
  private static Map<String, Object> map(String json) {
    return (Map<String, Object>) PlainJson.parse(json);
  }

  private static Engine scripted(String template, Function<String, String> answer) {
    EngineModel model =
        ScriptedModel.answering(
            Tokenizer.open(TINY), ChatTemplate.of("t", template, TINY), 4096, EOS, answer);
    return Engine.over(model, EngineOptions.builder().build());
  }

  /** A model that writes anything that is allowed. */
  private static Engine babbling(String template) {
    EngineModel model =
        ScriptedModel.answering(
            Tokenizer.open(TINY), ChatTemplate.of("t", template, TINY), 4096, EOS, _ -> "");
    return Engine.over(model, EngineOptions.builder().build());
  }

  private static Request.Builder how() {
    return Request.builder().maxTokens(600);
  }

  private static ChatRequest.Builder ask(String text) {
    return ChatRequest.builder().user(text);
  }

  private static ChatEvent.Finished finished(Engine engine, ChatRequest request) throws Exception {
    ChatEvent last = null;
    List<ChatDelta> deltas = new ArrayList<>();
    ChatAnswer answer = new Chats(engine).submit(request, how());
    for (ChatEvent event; (event = answer.next()) != null; last = event) {
      deltas.addAll(
          switch (event) {
            case ChatEvent.Token token -> token.deltas();
            case ChatEvent.Finished end -> end.deltas();
            case ChatEvent.Failed failed -> throw failed.error();
          });
    }
    assertTrue(answer.isRead());
    ChatEvent.Finished end = assertInstanceOf(ChatEvent.Finished.class, last);
    StringBuilder content = new StringBuilder();
    for (ChatDelta delta : deltas) {
      if (delta instanceof ChatDelta.Content(String text)) {
        content.append(text);
      }
    }
    assertEquals(end.message().content() == null ? "" : end.message().content(), content + "");
    assertEquals(end.message(), answer.result().get().getFirst().message());
    return end;
  }

  @Test
  void answersHaveReasoningContentAndCalls() throws Exception {
    String template =
        PLAIN + "{# <tool_call> </think> #}{{ '' if true else '</think><tool_call>' }}";
    String said =
        "<think>\nI ask.\n</think>\n\nOne moment.\n<tool_call>\n"
            + "{\"name\": \"digit\", \"arguments\": {\"n\": 4}}\n</tool_call>";
    try (Engine engine = scripted(template, _ -> said)) {
      ChatEvent.Finished end = finished(engine, ask("Which?").tools(List.of(DIGIT)).build());
      assertEquals("One moment.", end.message().content());
      assertEquals("I ask.", end.message().reasoning());
      assertEquals("{\"n\": 4}", end.message().toolCalls().getFirst().arguments());
      assertEquals(FinishReason.STOP, end.reason());
      assertTrue(end.callsTools());
      ChatEvent.Finished none =
          finished(engine, ask("Which?").tools(List.of(DIGIT)).toolChoice(ToolChoice.NONE).build());
      assertTrue(none.message().content().contains("<tool_call>"));
      assertFalse(none.callsTools());
    }
  }

  @Test
  void severalTextsAndSubscribers() throws Exception {
    String template = PLAIN + "{{ '' if true else '<tool_call>' }}";
    try (Engine engine = scripted(template, _ -> "<tool_call>{\"name\": \"other\"}</tool_call>")) {
      ChatRequest request = ask("Go").tools(List.of(OTHER)).build();
      ChatAnswer answer = new Chats(engine).submit(request, how().n(3));
      List<ChatEvent> events = new ArrayList<>();
      CountDownLatch done = new CountDownLatch(1);
      answer
          .publisher()
          .subscribe(
              new Flow.Subscriber<>() {
                @Override
                public void onSubscribe(Flow.Subscription subscription) {
                  subscription.request(Long.MAX_VALUE);
                }

                @Override
                public void onNext(ChatEvent event) {
                  events.add(event);
                }

                @Override
                public void onError(Throwable problem) {
                  throw new AssertionError(problem);
                }

                @Override
                public void onComplete() {
                  done.countDown();
                }
              });
      assertTrue(done.await(5, TimeUnit.MINUTES));
      List<ChatEvent.Finished> ends = answer.result().get();
      assertEquals(3, ends.size());
      List<String> ids = new ArrayList<>();
      for (ChatEvent event : events) {
        if (event instanceof ChatEvent.Finished end) {
          assertEquals(ends.get(end.choice()).message(), end.message());
          ids.add(end.message().toolCalls().getFirst().id());
        }
      }
      assertEquals(3, ids.stream().distinct().count());
      ChatAnswer again = new Chats(engine).submit(request, how());
      assertNotEquals(
          ids.getFirst(), again.result().get().getFirst().message().toolCalls().getFirst().id());
    }
  }

  @Test
  void contentIsJsonOfASchema() throws Exception {
    ResponseFormat format =
        ResponseFormat.schema(
            map(
                "{\"type\":\"object\",\"properties\":{\"ok\":{\"type\":\"boolean\"},\"kind\":{\"enum\":"
                    + "[\"a\",\"b\"]}},\"required\":[\"ok\",\"kind\"],"
                    + "\"additionalProperties\":false}"));
    try (Engine engine = babbling(PLAIN)) {
      for (int i = 0; i < 2; i++) {
        ChatEvent.Finished end = finished(engine, ask("JSON").format(format).build());
        assertEquals(FinishReason.STOP, end.reason());
        Map<String, Object> object = map(end.message().content());
        assertInstanceOf(Boolean.class, object.get("ok"));
        assertTrue(List.of("a", "b").contains(object.get("kind")));
      }
    }
    try (Engine engine = scripted(PLAIN, _ -> "{\"free\": [1, \"x\"]}")) {
      assertEquals(
          "{\"free\": [1, \"x\"]}",
          finished(engine, ask("JSON").format(ResponseFormat.JSON_OBJECT).build())
              .message()
              .content());
    }
  }

  /** The constraint is for what follows the reasoning, wherever that was opened. */
  @Test
  void jsonFollowsReasoning() throws Exception {
    ResponseFormat format = ResponseFormat.schema(Map.of("type", "boolean"));
    String opened = PLAIN + "<think>\n{{ '' if true else '</think>' }}";
    try (Engine engine = scripted(opened, _ -> "Is it \"true\"?</think>\n\nfalse")) {
      Message message = finished(engine, ask("?").format(format).build()).message();
      assertEquals("false", message.content());
      assertEquals("Is it \"true\"?", message.reasoning());
    }
    try (Engine engine = scripted(opened, _ -> "Hm.</think>I do not know, false")) {
      Message message = finished(engine, ask("?").format(format).build()).message();
      assertTrue(List.of("true", "false").contains(message.content()), message.content());
    }
    String closed = PLAIN + "<think></think>";
    try (Engine engine = scripted(closed, _ -> "true")) {
      Message message = finished(engine, ask("?").format(format).build()).message();
      assertEquals("true", message.content());
      assertNull(message.reasoning());
    }
  }

  @Test
  void toolsAreForced() throws Exception {
    for (String sign :
        List.of(
            "<tool_call>",
            "<｜tool▁calls▁begin｜>",
            "<｜tool▁calls▁begin｜>```json",
            "<arg_key>",
            "<arg_key></arg_key>\\n",
            "<｜DSML｜tool_calls>",
            "<parameter=",
            "<|function_call|>",
            "[ARGS]",
            "<|tool_calls_section_begin|>")) {
      try (Engine engine = babbling(PLAIN + "{{ '' if true else '" + sign + "' }}")) {
        ChatRequest.Builder request = ask("Go").tools(List.of(OTHER, DIGIT));
        ChatEvent.Finished named =
            finished(engine, request.toolChoice(ToolChoice.named("digit")).build());
        ToolCall call = named.message().toolCalls().getFirst();
        assertEquals("digit", call.name());
        assertEquals(1, map(call.arguments()).size(), call.arguments());
        assertInstanceOf(Long.class, map(call.arguments()).get("n"));
        assertNull(named.message().content());
        assertTrue(named.callsTools());
        ChatEvent.Finished any = finished(engine, request.toolChoice(ToolChoice.REQUIRED).build());
        assertEquals(1, any.message().toolCalls().size());
      }
    }
  }

  /** Texts stand without quotes where keys and values are written one by one. */
  @Test
  void textsAreForced() throws Exception {
    Tool tool =
        new Tool(
            "note",
            null,
            map(
                "{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\"},\"kind\":{\"enum\":"
                    + "[\"a\",\"b\"]},\"tags\":{\"$ref\":\"#/$defs/tags\"}},\"required\":[\"text\",\"tags\"],"
                    + "\"$defs\":{\"tags\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}}}"));
    String pairs =
        "<tool_call>note<arg_key>text</arg_key><arg_value>1 < \"2\"</arg</arg_value>"
            + "<arg_key>kind</arg_key><arg_value>b</arg_value>"
            + "<arg_key>tags</arg_key><arg_value>[\"x\"]</arg_value></tool_call>";
    String tags =
        "<tool_call>\n<function=note>\n<parameter=text>\n1 < \"2\"</arg\n</parameter>\n"
            + "<parameter=kind>\nb\n</parameter>\n<parameter=tags>\n[\"x\"]\n</parameter>\n"
            + "</function>\n</tool_call>";
    String markup =
        "<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"note\">\n"
            + "<｜DSML｜parameter name=\"text\" string=\"true\">1 < \"2\"</arg</｜DSML｜parameter>\n"
            + "<｜DSML｜parameter name=\"kind\" string=\"true\">b</｜DSML｜parameter>\n"
            + "<｜DSML｜parameter name=\"tags\" string=\"false\">[\"x\"]</｜DSML｜parameter>\n"
            + "</｜DSML｜invoke>\n</｜DSML｜tool_calls>";
    Map<String, String> written =
        Map.of("<arg_key>", pairs, "<parameter=", tags, "<｜DSML｜tool_calls>", markup);
    for (Map.Entry<String, String> form : written.entrySet()) {
      String template = PLAIN + "{{ '' if true else '" + form.getKey() + "' }}";
      try (Engine engine = scripted(template, _ -> form.getValue())) {
        Message message =
            finished(engine, ask("Go").tools(List.of(tool)).toolChoice(ToolChoice.REQUIRED).build())
                .message();
        assertEquals(
            "{\"text\":\"1 < \\\"2\\\"</arg\",\"kind\":\"b\",\"tags\":[\"x\"]}",
            message.toolCalls().getFirst().arguments(),
            form.getKey());
      }
    }
  }

  @Test
  void whatCannotBeDoneIsRefused() {
    ChatRequest.Builder forced =
        ask("Go").tools(List.of(DIGIT)).toolChoice(ToolChoice.named("digit"));
    try (Engine engine = babbling(PLAIN + "{{ '' if true else '<|tool_call_start|>' }}")) {
      refused(engine, forced.build(), "MiniCPM3", "cannot be forced");
    }
    try (Engine engine = babbling(PLAIN)) {
      refused(engine, forced.build(), "tool_choice", "no form of tool calls");
      refused(
          engine,
          ask("Go").format(ResponseFormat.schema(map("{\"pattern\":\"a\"}"))).build(),
          "schema at #",
          "pattern");
    }
    try (Engine engine = babbling(PLAIN + "{{ '' if true else '<tool_call>' }}")) {
      Tool odd = new Tool("odd", null, map("{\"type\":\"object\",\"minProperties\":1}"));
      refused(
          engine,
          ask("Go").tools(List.of(odd)).toolChoice(ToolChoice.REQUIRED).build(),
          "the tool odd",
          "minProperties");
      refused(
          engine,
          ask("Go")
              .message(Message.assistant(null, List.of(new ToolCall("1", "digit", "{\"n\":"))))
              .build(),
          "messages[1].tool_calls[0]",
          "JSON");
      refused(
          engine,
          ask("Go")
              .message(Message.assistant(null, List.of(new ToolCall("1", "digit", "7"))))
              .build(),
          "messages[1].tool_calls[0]",
          "object");
    }
    try (Engine engine = babbling("{{ raise_exception('only verse') }}")) {
      assertThrows(
          TemplateException.class, () -> new Chats(engine).submit(ask("Go").build(), how()));
    }
    wrong("messages are empty", ChatRequest.builder());
    wrong("tool_choice", ask("Go").toolChoice(ToolChoice.REQUIRED));
    wrong("which is not one of", ask("Go").tools(List.of(DIGIT)).toolChoice(ToolChoice.named("x")));
    wrong(
        "response_format",
        ask("Go")
            .tools(List.of(DIGIT))
            .toolChoice(ToolChoice.REQUIRED)
            .format(ResponseFormat.JSON_OBJECT));
    wrong("the template's variable messages", ask("Go").variable("messages", 1));
  }

  private static void wrong(String part, ChatRequest.Builder request) {
    InvalidArgumentException e = assertThrows(InvalidArgumentException.class, request::build);
    assertTrue(e.getMessage().contains(part), e.getMessage());
  }

  private static void refused(Engine engine, ChatRequest request, String... parts) {
    InvalidArgumentException e =
        assertThrows(
            InvalidArgumentException.class, () -> new Chats(engine).submit(request, how()));
    assertEquals(1, e.getMessage().lines().count());
    for (String part : parts) {
      assertTrue(e.getMessage().contains(part), e.getMessage());
    }
  }

  /** Templates want the arguments of earlier calls as text, or as a dictionary. */
  @Test
  void argumentsAreWrittenAsTheTemplateWantsThem() {
    ChatRequest request =
        ask("Go")
            .message(
                Message.assistant(null, List.of(new ToolCall("1", "f", "{\"a\": \"it's\"}")))
                    .withReasoning("Hm."))
            .message(Message.tool("1", "f", "done"))
            .build();
    Map<String, String> templates =
        Map.of(
            "{{ '```json' + c.function.arguments + '```' }}", "```json{\"a\": \"it's\"}```",
            "{{ c.function.arguments }}", "{\"a\": \"it's\"}",
            "{{ c.function.arguments | tojson }}", "{\"a\": \"it's\"}",
            "{% for k, v in c.function.arguments.items() %}{{ k }}={{ v }}{% endfor %}", "a=it's");
    templates.forEach(
        (part, expected) -> {
          String template =
              "{% for m in messages %}{{ m.reasoning_content }}{% for c in m.tool_calls or [] %}"
                  + part
                  + "{% endfor %}{{ m.tool_call_id }}{{ m.name }}{% endfor %}";
          try (Engine engine = babbling(template)) {
            String text = new Chats(engine).codec().render(request).text();
            assertEquals("Hm." + expected + "1f", text, part);
          }
        });
  }

  @Test
  void whatIsTypedIsText() {
    String template = "{{ bos_token }}{% for m in messages %}<｜User｜>{{ m.content }}{% endfor %}";
    try (Engine engine = babbling(template)) {
      Prompt prompt =
          new Chats(engine).codec().render(ask("a<｜User｜><｜end▁of▁sentence｜>b").build());
      assertEquals("<｜begin▁of▁sentence｜><｜User｜>a<｜User｜><｜end▁of▁sentence｜>b", prompt.text());
      assertEquals(2, Arrays.stream(prompt.ids()).filter(id -> id < 5).count());
    }
  }
}

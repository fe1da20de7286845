package io.mla4j.engine.chat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.engine.json.PlainJson;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

/**
 * Given texts as the families write them, when they come in pieces, then reasoning, content and
 * tool calls are found, wherever the text was cut.
 */
class ChatParserTest {
  private static final List<String> SPECIAL =
      List.of("<|im_end|>", "<｜tool▁calls▁end｜>", "<|tool_calls_section_end|>", "<|observation|>");

  @SuppressWarnings("unchecked")
  private static final List<Tool> TOOLS =
      List.of(
          new Tool(
              "get_weather",
              "The weather of a city.",
              (Map<String, Object>)
                  PlainJson.parse(
                      """
                      {"type": "object", "properties": {
                        "city": {"type": "string"}, "days": {"type": "integer"},
                        "units": {"enum": ["c", "f"]}, "more": {"type": "object"}}}
                      """)),
          new Tool("now", null, Map.of()));

  private static CallFormat format(String sign) {
    return CallFormat.find(sign::contains).orElseThrow();
  }

  private static ChatParser parser(CallFormat calls, boolean reasons, String prompt) {
    ReasoningFormat reasoning = reasons ? new ReasoningFormat("<think>", "</think>") : null;
    return new ChatParser(
        new ChatParser.Formats(reasoning, calls, TOOLS, Integer.MAX_VALUE, SPECIAL),
        prompt,
        "call_");
  }

  @Test
  void callsBehindTheLastThatIsWantedAreLeftOut() {
    String text =
        "<tool_call>{\"name\": \"now\", \"arguments\": {}}</tool_call>\n".repeat(2) + "Done.";
    CallFormat hermes = format("<tool_call>{\"name\"");
    for (int most = 1; most <= 2; most++) {
      ChatParser parser =
          new ChatParser(new ChatParser.Formats(null, hermes, TOOLS, most, SPECIAL), "", "call_");
      List<ChatDelta> deltas = new ArrayList<>(parser.next(text));
      deltas.addAll(parser.finish());
      assertEquals(most, parser.message().toolCalls().size());
      assertEquals(parser.message(), join(deltas));
    }
  }

  private static Message join(List<ChatDelta> deltas) {
    StringBuilder content = new StringBuilder();
    StringBuilder reasoning = new StringBuilder();
    List<String[]> calls = new ArrayList<>();
    for (ChatDelta delta : deltas) {
      switch (delta) {
        case ChatDelta.Content(String text) -> content.append(text);
        case ChatDelta.Reasoning(String text) -> {
          assertTrue(content.isEmpty(), "reasoning behind content");
          reasoning.append(text);
        }
        case ChatDelta.CallStart(int index, String id, String name) -> {
          assertEquals(calls.size(), index);
          calls.add(new String[] {id, name, ""});
        }
        case ChatDelta.CallArguments(int index, String text) -> calls.get(index)[2] += text;
      }
    }
    List<ToolCall> toolCalls =
        calls.stream().map(call -> new ToolCall(call[0], call[1], call[2])).toList();
    return new Message(
        Role.ASSISTANT,
        content.isEmpty() && !toolCalls.isEmpty() ? null : content.toString(),
        reasoning.isEmpty() ? null : reasoning.toString(),
        toolCalls,
        null,
        null);
  }

  private static Message parsed(ChatParser parser, List<String> pieces) {
    List<ChatDelta> deltas = new ArrayList<>();
    pieces.forEach(piece -> deltas.addAll(parser.next(piece)));
    deltas.addAll(parser.finish());
    assertEquals(parser.message(), join(deltas));
    return parser.message();
  }

  /** The text as a whole, in single characters, cut once at each place, and at random ones. */
  private static Message check(CallFormat calls, boolean reasons, String prompt, String text) {
    Message whole = parsed(parser(calls, reasons, prompt), List.of(text));
    assertEquals(
        whole,
        parsed(
            parser(calls, reasons, prompt),
            text.codePoints().mapToObj(Character::toString).toList()));
    for (int cut = 0; cut <= text.length(); cut++) {
      assertEquals(
          whole,
          parsed(
              parser(calls, reasons, prompt), List.of(text.substring(0, cut), text.substring(cut))),
          "cut at " + cut);
    }
    Random random = new Random(7);
    for (int i = 0; i < 50; i++) {
      List<String> pieces = new ArrayList<>();
      for (int at = 0; at < text.length(); ) {
        int end = Math.min(text.length(), at + 1 + random.nextInt(9));
        pieces.add(text.substring(at, end));
        at = end;
      }
      assertEquals(whole, parsed(parser(calls, reasons, prompt), pieces));
    }
    return whole;
  }

  private static void expect(
      Message message, String content, String reasoning, String... namesAndArguments) {
    assertEquals(content, message.content());
    assertEquals(reasoning, message.reasoning());
    List<String> calls = new ArrayList<>();
    for (ToolCall call : message.toolCalls()) {
      calls.add(call.name());
      calls.add(PlainJson.write(PlainJson.parse(call.arguments())));
    }
    assertEquals(List.of(namesAndArguments), calls);
  }

  private static final String PARIS = "{\"city\":\"Paris\"}";

  @Test
  void reasoning() {
    expect(
        check(null, true, "<|assistant|><think>\n", "Hm.\nSo.\n</think>\n\nYes. "),
        "Yes. ",
        "Hm.\nSo.");
    expect(check(null, true, "<|assistant|>", "\n<think>Hm. </think>Yes."), "Yes.", "Hm.");
    expect(
        check(null, true, "<|assistant|>", "Yes, <think>. </think>"),
        "Yes, <think>. </think>",
        null);
    expect(check(null, true, "<|assistant|></think>", " <think>x"), " <think>x", null);
    expect(check(null, true, "<think></think>\n", "Yes"), "Yes", null);
    expect(check(null, true, "<think>", "never ends </thin"), "", "never ends </thin");
    expect(check(null, true, "", "  plain"), "  plain", null);
    expect(check(null, true, "", "<thi"), "<thi", null);
    expect(check(null, true, "", "<think></think>"), "", null);
    expect(check(null, false, "<think>", "plain</think> "), "plain</think> ", null);
    expect(check(null, true, "<think>", "a</think> b </think>c"), "b </think>c", "a");
  }

  @Test
  void specialTokensAreNoContent() {
    expect(check(null, false, "", "a<|im_end|> b<|im_"), "a b<|im_", null);
    expect(check(format("<tool_call>"), false, "", "a<|im_end|> b<|im_"), "a b<|im_", null);
  }

  @Test
  void deepSeek() {
    CallFormat format = format("<｜tool▁calls▁begin｜>");
    String v3 =
        "<｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n{\"city\": \"Paris\"}\n```"
            + "<｜tool▁call▁end｜>";
    expect(
        check(
            format,
            true,
            "<think>\n",
            "I ask.\n</think>\n\nOne moment.\n<｜tool▁calls▁begin｜>"
                + v3
                + "\n"
                + v3.replace("get_weather", "now").replace("\"city\": \"Paris\"", "")
                + "<｜tool▁calls▁end｜>"),
        "One moment.",
        "I ask.",
        "get_weather",
        PARIS,
        "now",
        "{}");
    String v31 = "<｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{\"city\": \"Paris\"}<｜tool▁call▁end｜>";
    expect(
        check(format, true, "</think>", "<｜tool▁calls▁begin｜>" + v31 + v31 + "<｜tool▁calls▁end｜>"),
        null,
        null,
        "get_weather",
        PARIS,
        "get_weather",
        PARIS);
    // The end was left out, or the beginning.
    expect(
        check(format, false, "", "<｜tool▁calls▁begin｜>" + v31.replace("<｜tool▁call▁end｜>", "")),
        null,
        null,
        "get_weather",
        PARIS);
    expect(check(format, false, "", "Hm. " + v31 + " So."), "Hm. So.", null, "get_weather", PARIS);
  }

  @Test
  void deepSeekWithMarkup() {
    expect(
        check(
            format("<｜DSML｜function_calls>"),
            false,
            "",
            "I ask.\n\n<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"get_weather\">\n"
                + "<｜DSML｜parameter name=\"city\" string=\"true\">12</｜DSML｜parameter>\n"
                + "<｜DSML｜parameter name=\"days\" string=\"false\">12</｜DSML｜parameter>\n"
                + "</｜DSML｜invoke>\n</｜DSML｜function_calls>"),
        "I ask.",
        null,
        "get_weather",
        "{\"city\":\"12\",\"days\":12}");
    expect(
        check(
            format("<｜DSML｜tool_calls>"),
            false,
            "",
            "<｜DSML｜tool_calls>\n"
                + "<｜DSML｜invoke name=\"now\">\n"
                + "</｜DSML｜invoke>\n"
                + "</｜DSML｜tool_calls>"),
        null,
        null,
        "now",
        "{}");
  }

  @Test
  void kimi() {
    CallFormat format = format("<|tool_calls_section_begin|>");
    Message message =
        check(
            format,
            true,
            "<|im_middle|>",
            "<think>I ask.</think>Well: <|tool_calls_section_begin|>"
                + "<|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>{\"city\":"
                + " \"Paris\"}<|tool_call_end|><|tool_call_begin|>functions.now:1"
                + " <|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>");
    expect(message, "Well:", "I ask.", "get_weather", PARIS, "now", "{}");
    assertEquals("functions.get_weather:0", message.toolCalls().get(0).id());
    assertEquals("functions.now:1", message.toolCalls().get(1).id());
    expect(
        check(
            format,
            true,
            "<think>",
            "I ask.<|im_end|> So: <|tool_calls_section_begin|><|tool_call_begin|>functions.now:0"
                + "<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>"),
        null,
        "I ask. So:",
        "now",
        "{}");
  }

  @Test
  void glm() {
    CallFormat format = format("<arg_key>");
    String arguments =
        "\n"
            + "<arg_key>city</arg_key>\n"
            + "<arg_value>12</arg_value>\n"
            + "<arg_key>days</arg_key>\n"
            + "<arg_value>12</arg_value>\n"
            + "<arg_key>more</arg_key>\n"
            + "<arg_value>{\"a\": [1]}</arg_value>\n"
            + "<arg_key>units</arg_key>\n"
            + "<arg_value>c</arg_value>\n";
    String expected = "{\"city\":\"12\",\"days\":12,\"more\":{\"a\":[1]},\"units\":\"c\"}";
    expect(
        check(
            format,
            true,
            "<|assistant|><think>",
            "I ask.</think>Well.\n<tool_call>get_weather" + arguments + "</tool_call>\n"),
        "Well.",
        "I ask.",
        "get_weather",
        expected);
    // GLM-4.7 has no line breaks.
    expect(
        check(
            format,
            true,
            "</think>",
            "<tool_call>get_weather"
                + arguments.replace("\n", "")
                + "</tool_call><tool_call>now</tool_call>"),
        null,
        null,
        "get_weather",
        expected,
        "now",
        "{}");
  }

  @Test
  void hermes() {
    CallFormat format = format("<tool_call>");
    String call =
        "<tool_call>\n"
            + "{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Paris\"}}\n"
            + "</tool_call>";
    expect(
        check(
            format, true, "", "<think>\nI ask.\n</think>\n\n" + call + "\n" + call + "<|im_end|>"),
        null,
        "I ask.",
        "get_weather",
        PARIS,
        "get_weather",
        PARIS);
    Message message = check(format, false, "", "Well " + call + "\nThere.");
    expect(message, "Well\nThere.", null, "get_weather", PARIS);
    assertEquals("call_0", message.toolCalls().getFirst().id());
    // The end of a call within a text is none.
    expect(
        check(
            format,
            false,
            "",
            "<tool_call>{\"name\": \"f\", \"arguments\": \"{\\\"a\\\":"
                + " \\\"</tool_call>\\\"}\"}</tool_call>"),
        null,
        null,
        "f",
        "{\"a\":\"</tool_call>\"}");
  }

  @Test
  void miniCpm() {
    CallFormat format = format("<|tool_call_start|>");
    expect(
        check(
            format,
            false,
            "",
            "<|tool_call_start|>\n```python\nget_weather(city='Pa\\'ris', days=-2,"
                + " more={\"a\": [True, None, 1.5]})\nnow()\n```\n<|tool_call_end|>"),
        null,
        null,
        "get_weather",
        "{\"city\":\"Pa'ris\",\"days\":-2,\"more\":{\"a\":[true,null,1.5]}}",
        "now",
        "{}");
    expect(
        check(format, false, "", "<|tool_call_start|>[now(), f(a=[])]<|tool_call_end|>"),
        null,
        null,
        "now",
        "{}",
        "f",
        "{\"a\":[]}");
  }

  @Test
  void gigaChat() {
    expect(
        check(
            format("<|function_call|>"),
            false,
            "",
            "I ask.<|function_call|>{\"name\": \"get_weather\", \"arguments\": {\"city\":"
                + " \"Paris\"}}"),
        "I ask.",
        null,
        "get_weather",
        PARIS);
    expect(
        check(
            format("function call<|role_sep|>"),
            false,
            "",
            "I ask.\n\n"
                + "function call<|role_sep|>\n"
                + "{\"name\": \"get_weather\", \"arguments\": {\"city\":"
                + " \"Paris\"}}<|message_sep|>"),
        "I ask.",
        null,
        "get_weather",
        PARIS);
  }

  @Test
  void tags() {
    expect(
        check(
            format("<tool_call><parameter="),
            false,
            "",
            "<tool_call>\n<function=get_weather>\n<parameter=city>\n12\n</parameter>\n"
                + "<parameter=days>\n12\n</parameter>\n</function>\n</tool_call>"
                + "<tool_call>\n<function=now>\n</function>\n</tool_call>"),
        null,
        null,
        "get_weather",
        "{\"city\":\"12\",\"days\":12}",
        "now",
        "{}");
  }

  @Test
  void mistral() {
    CallFormat format = format("[TOOL_CALLS][ARGS]");
    String call = "[TOOL_CALLS]get_weather[ARGS]{\"city\": \"Paris\"}";
    expect(
        check(format, false, "", "I ask." + call + call),
        "I ask.",
        null,
        "get_weather",
        PARIS,
        "get_weather",
        PARIS);
    String wrong = "[TOOL_CALLS]get_weather{}";
    expect(check(format, false, "", wrong + call), wrong, null, "get_weather", PARIS);
  }

  /** How many pieces the arguments of a call have, told while the text comes in characters. */
  private static int pieces(String sign, String text) {
    ChatParser parser = parser(format(sign), false, "");
    int pieces = 0;
    for (int i = 0; i < text.length(); i++) {
      for (ChatDelta delta : parser.next(text.substring(i, i + 1))) {
        pieces += delta instanceof ChatDelta.CallArguments ? 1 : 0;
      }
    }
    assertEquals(List.of(), parser.finish());
    assertEquals("get_weather", parser.message().toolCalls().getFirst().name());
    return pieces;
  }

  @Test
  void argumentsThatAreJsonComeAsTheyAreWritten() {
    String json = "{\"city\": \"\\\"}<\", \"more\": [{}]}";
    String deepSeek = "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>";
    for (String[] form :
        new String[][] {
          {
            "<｜tool▁calls▁begin｜>",
            deepSeek
                + "function<｜tool▁sep｜>get_weather\n```json\n"
                + json
                + "\n```<｜tool▁call▁end｜>"
          },
          {
            "<｜tool▁calls▁begin｜>",
            deepSeek + "get_weather<｜tool▁sep｜>" + json + "<｜tool▁call▁end｜>"
          },
          {
            "<|tool_calls_section_begin|>",
            "<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0"
                + "<|tool_call_argument_begin|>"
                + json
                + "<|tool_call_end|>"
          },
          {"<tool_call>", "<tool_call>{\"name\": \"get_weather\", \"arguments\": " + json + "}"},
          {"[TOOL_CALLS][ARGS]", "[TOOL_CALLS]get_weather[ARGS]" + json}
        }) {
      // Its brace comes with the next character, which tells that it begins an object, and what may
      // begin a marker does so too.
      assertTrue(pieces(form[0], form[1]) >= json.length() - 2, form[1]);
      assertEquals(
          json, check(format(form[0]), false, "", form[1]).toolCalls().getFirst().arguments());
    }
    // These are no JSON, or not at their place.
    assertEquals(
        1,
        pieces(
            "<arg_key>",
            "<tool_call>get_weather<arg_key>city</arg_key><arg_value>x</arg_value></tool_call>"));
    assertEquals(
        1,
        pieces(
            "<tool_call>",
            "<tool_call>{\"arguments\": {}, \"name\": \"get_weather\"}</tool_call>"));
  }

  /** Behind the beginning of their object they were told already. */
  @Test
  void argumentsThatGoWrongAreToldAsTheyAre() {
    String kimi = "<|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>";
    for (String wrong : List.of("{\"city\": Paris", "{\"city\": [}", "{\"city\"")) {
      for (String end : List.of("<|tool_call_end|>", "")) {
        Message message =
            check(format("<|tool_calls_section_begin|>"), false, "", kimi + wrong + end);
        assertEquals(wrong, message.toolCalls().getFirst().arguments());
      }
      Message two =
          check(
              format("<|tool_calls_section_begin|>"),
              false,
              "",
              kimi + wrong + kimi + "{}<|tool_call_end|>So.");
      assertEquals(
          List.of(wrong, "{}"), two.toolCalls().stream().map(ToolCall::arguments).toList());
      assertEquals("So.", two.content());
    }
  }

  /** What cannot be read is content, as it was written. */
  @Test
  void malformedCallsAreContent() {
    String good = "<tool_call>{\"name\": \"now\"}</tool_call>";
    for (String text :
        List.of(
            "<tool_call>{\"name\": }</tool_call> and more",
            "<tool_call>[]</tool_call>",
            "a <tool_call>{\"name\": \"f\", \"arguments\": 7}</tool_call>",
            "<tool_call>",
            "<tool_call",
            "<tool_call>{\"name\": \"f\"",
            "</tool_call>")) {
      expect(check(format("<tool_call>"), false, "", text), text, null);
    }
    expect(
        check(format("<tool_call>"), false, "", "<tool_call>{\"name\"</tool_call>\n" + good),
        "<tool_call>{\"name\"</tool_call>",
        null,
        "now",
        "{}");
    for (String text :
        List.of(
            "<tool_call>get_weather<arg_key>a</tool_call>",
            "<tool_call>\n<arg_key>a</arg_key></tool_call>",
            "<tool_call></tool_call>")) {
      expect(check(format("<arg_key>"), false, "", text), text, null);
    }
    String nothing = "<|tool_call_start|>f(a=)<|tool_call_end|>";
    expect(check(format("<|tool_call_start|>"), false, "", nothing), nothing, null);
    String kimi = "<|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{<|tool_call_end|>";
    expect(check(format("<|tool_calls_section_begin|>"), false, "", kimi), kimi, null);
  }

  /** Random texts of markers and letters: never an exception, never dependent on the cuts. */
  @Test
  void anythingMayCome() {
    for (String sign :
        List.of(
            "<tool_call>",
            "<arg_key>",
            "<|tool_call_start|>",
            "<|tool_calls_section_begin|>",
            "<｜tool▁calls▁begin｜>",
            "<｜DSML｜function_calls>")) {
      CallFormat format = format(sign);
      List<String> parts = new ArrayList<>(SPECIAL);
      parts.addAll(
          List.of("<think>", "</think>", "\n", " ", "a", "{", "}", "\"", ":", "f(", ")", "{}"));
      parts.addAll(List.of(format.callOpen(), format.callClose(), format.open(), "<", "name"));
      parts.addAll(List.of("<arg_key>", "</arg_key>", "{\"name\": \"f\"}", "<｜tool▁sep｜>"));
      parts.addAll(List.of("functions.f:0<|tool_call_argument_begin|>", "```", "name=\"f\">"));
      if (format.sectionClose() != null) {
        parts.add(format.sectionClose());
      }
      Random random = new Random(sign.hashCode());
      for (int i = 0; i < 60; i++) {
        StringBuilder text = new StringBuilder();
        for (int j = random.nextInt(14); j > 0; j--) {
          text.append(parts.get(random.nextInt(parts.size())));
        }
        check(format, random.nextBoolean(), random.nextBoolean() ? "" : "<think>", text.toString());
      }
    }
  }
}

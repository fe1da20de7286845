package io.mla4j.engine.chat;

import io.mla4j.engine.json.PlainJson;
import io.mla4j.text.ChatMessage;
import io.mla4j.text.ChatOptions;
import io.mla4j.text.ChatTemplate;
import io.mla4j.text.template.TemplateException;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What a template makes of a conversation with a tool call: templates put markers together from
 * pieces, and differ in what they want arguments to be.
 *
 * @param written the conversation; empty where the template refuses it
 * @param wantsText whether the arguments of a call must be text: some templates concatenate it,
 *     others go through its entries, and a dictionary that is printed is not JSON
 */
record TemplateProbe(ChatTemplate template, String written, boolean wantsText) {
  private static final Map<String, Object> ARGUMENTS = ChatCodec.ordered("probe", "it");

  static TemplateProbe of(ChatTemplate template) {
    String asMap = written(template, ARGUMENTS);
    if (asMap != null && !asMap.contains("{'probe'")) {
      return new TemplateProbe(template, asMap, false);
    }
    String asText = written(template, PlainJson.write(ARGUMENTS));
    return asText == null
        ? new TemplateProbe(template, asMap == null ? "" : asMap, false)
        : new TemplateProbe(template, asText, true);
  }

  /** Whether the template writes a text, or has it in its source. */
  boolean writes(String text) {
    return written.contains(text) || template.mentions(text);
  }

  /** Null where the template refuses it. */
  private static @Nullable String written(ChatTemplate template, Object arguments) {
    Map<String, Object> call =
        ChatCodec.ordered(
            "id",
            "functions.f:0",
            "type",
            "function",
            "function",
            ChatCodec.ordered("name", "f", "arguments", arguments));
    Map<String, Object> tool =
        ChatCodec.description(
            new Tool(
                "f",
                "Does it.",
                ChatCodec.ordered(
                    "type",
                    "object",
                    "properties",
                    ChatCodec.ordered(
                        "probe", ChatCodec.ordered("type", "string", "description", "What.")))));
    try {
      return template.render(
          List.of(
              ChatMessage.user("q"),
              ChatMessage.assistant("").with("tool_calls", List.of(call)),
              new ChatMessage(
                  "tool", "a", ChatCodec.ordered("tool_call_id", "functions.f:0", "name", "f"))),
          ChatOptions.DEFAULT.withTools(List.of(tool)));
    } catch (TemplateException e) {
      return null;
    }
  }
}

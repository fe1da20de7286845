package io.mla4j.server;

import com.fasterxml.jackson.databind.JsonNode;
import io.mla4j.engine.chat.ChatRequest;
import io.mla4j.engine.chat.ResponseFormat;
import io.mla4j.engine.chat.Tool;
import io.mla4j.engine.chat.ToolChoice;
import io.mla4j.engine.json.PlainJson;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Reads what a request to chat completions asks for beside what all requests have in common. */
final class ChatBody {
  /** What a template relies on, or the server sets. */
  private static final Set<String> TAKEN =
      Set.of(
          "messages",
          "tools",
          "add_generation_prompt",
          "bos_token",
          "eos_token",
          "unk_token",
          "sep_token",
          "pad_token",
          "cls_token",
          "mask_token",
          "loop",
          "range",
          "dict",
          "namespace",
          "raise_exception",
          "strftime_now");

  private ChatBody() {}

  /** The conversation. */
  static ChatRequest read(Fields body, Limits limits) {
    for (String old : List.of("functions", "function_call")) {
      if (body.has(old)) {
        throw ApiException.field(old, old + " is there, but only tools are known");
      }
    }
    ChatRequest.Builder chat =
        ChatRequest.builder()
            .messages(ChatMessages.read(body, limits))
            .tools(tools(body, limits))
            .toolChoice(choice(body))
            .parallelCalls(body.flag("parallel_tool_calls", true))
            .format(format(body, "response_format"));
    variables(body, chat);
    return chat.build();
  }

  private static List<Tool> tools(Fields body, Limits limits) {
    List<Tool> all = new ArrayList<>();
    for (Fields tool : body.objects("tools", limits.tools())) {
      requireFunction(tool);
      Fields function = tool.object("function");
      if (function == null) {
        throw tool.missing("function");
      }
      all.add(tool(function));
    }
    return all;
  }

  static void requireFunction(Fields tool) {
    String type = tool.requiredText("type");
    tool.require(type.equals("function"), "type", tool.any("type"), "function");
  }

  static Tool tool(Fields function) {
    Fields parameters = function.object("parameters");
    return new Tool(
        ChatMessages.filled(function, "name"),
        function.text("description", null),
        parameters == null ? Map.of() : PlainJson.map(parameters.node()));
  }

  private static ToolChoice choice(Fields body) {
    JsonNode value = body.any("tool_choice");
    if (value == null || value.isTextual()) {
      return word(body, value);
    }
    Fields choice = body.object("tool_choice");
    requireFunction(choice);
    Fields function = choice.object("function");
    if (function == null) {
      throw choice.missing("function");
    }
    return ToolChoice.named(ChatMessages.filled(function, "name"));
  }

  /** One of OpenAI's words; null means auto. */
  static ToolChoice word(Fields body, JsonNode value) {
    return switch (value == null ? "auto" : value.textValue()) {
      case "auto" -> ToolChoice.AUTO;
      case "none" -> ToolChoice.NONE;
      case "required" -> ToolChoice.REQUIRED;
      default -> throw body.wrong("tool_choice", value, "auto, none, required or a function");
    };
  }

  private static ResponseFormat format(Fields body, String name) {
    Fields format = body.object(name);
    if (format == null) {
      return ResponseFormat.TEXT;
    }
    String type = format.requiredText("type");
    return switch (type) {
      case "text" -> ResponseFormat.TEXT;
      case "json_object" -> ResponseFormat.JSON_OBJECT;
      case "json_schema" -> {
        Fields named = format.object("json_schema");
        if (named == null) {
          throw format.missing("json_schema");
        }
        yield schema(named);
      }
      default -> throw format.wrong("type", format.any("type"), "text, json_object or json_schema");
    };
  }

  static ResponseFormat schema(Fields named) {
    Fields schema = named.object("schema");
    if (schema == null) {
      throw named.missing("schema");
    }
    return ResponseFormat.schema(PlainJson.map(schema.node()));
  }

  private static void variables(Fields body, ChatRequest.Builder chat) {
    effort(body, "reasoning_effort", chat);
    Fields more = body.object("chat_template_kwargs");
    if (more != null) {
      PlainJson.map(more.node())
          .forEach(
              (name, value) -> {
                if (TAKEN.contains(name)) {
                  throw ApiException.field(
                      more.path(name),
                      more.path(name) + " is there, but templates have that name already");
                }
                chat.variable(name, value);
              });
    }
  }

  /** How much a model thinks, where its template asks; not at all with {@code none}. */
  static void effort(Fields body, String name, ChatRequest.Builder chat) {
    String effort = body.text(name, null);
    if (effort != null) {
      if (effort.equals("none")) {
        chat.enableThinking(false);
      }
      chat.variable("reasoning_effort", effort);
    }
  }
}

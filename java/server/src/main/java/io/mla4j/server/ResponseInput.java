package io.mla4j.server;

import com.fasterxml.jackson.databind.JsonNode;
import io.mla4j.engine.chat.ChatRequest;
import io.mla4j.engine.chat.Message;
import io.mla4j.engine.chat.ResponseFormat;
import io.mla4j.engine.chat.Role;
import io.mla4j.engine.chat.Tool;
import io.mla4j.engine.chat.ToolCall;
import io.mla4j.engine.chat.ToolChoice;
import java.util.ArrayList;
import java.util.List;

/** Makes a conversation of a request to responses. */
final class ResponseInput {
  private ResponseInput() {}

  /** The conversation. */
  static ChatRequest read(Fields body, Limits limits) {
    for (String other : List.of("previous_response_id", "conversation", "prompt")) {
      if (body.has(other)) {
        throw ApiException.field(
            other, other + " is there, but nothing is stored: input has to be the whole");
      }
    }
    if (body.flag("background", false)) {
      throw ApiException.field("background", "background is true, but nothing is stored");
    }
    ChatRequest.Builder chat = ChatRequest.builder();
    String instructions = body.text("instructions", "");
    if (!instructions.isEmpty()) {
      chat.system(instructions);
    }
    chat.messages(messages(body, limits));
    chat.tools(tools(body, limits))
        .toolChoice(choice(body))
        .parallelCalls(body.flag("parallel_tool_calls", true))
        .format(format(body));
    Fields reasoning = body.object("reasoning");
    if (reasoning != null) {
      ChatBody.effort(reasoning, "effort", chat);
    }
    return chat.build();
  }

  private static List<Message> messages(Fields body, Limits limits) {
    JsonNode input = body.any("input");
    if (input == null) {
      throw body.missing("input");
    }
    if (input.isTextual()) {
      return List.of(Message.user(input.textValue()));
    }
    body.require(input.isArray(), "input", input, "a string or an array of items");
    List<Message> all = new ArrayList<>();
    for (Fields item : body.objects("input", limits.messages())) {
      add(item, all);
    }
    if (all.isEmpty()) {
      throw ApiException.field("input", "input is empty");
    }
    return all;
  }

  private static void add(Fields item, List<Message> all) {
    String type = item.text("type", "message");
    switch (type) {
      case "message" -> all.add(message(item));
      case "function_call" -> addCall(item, all);
      case "function_call_output" -> {
        String output = ChatMessages.content(item, "output", "input_text", "output_text", "text");
        if (output == null) {
          throw item.missing("output");
        }
        all.add(Message.tool(item.requiredText("call_id"), null, output));
      }
      // What the model thought before an earlier answer: templates leave it out.
      case "reasoning" -> {}
      default ->
          throw item.wrong(
              "type",
              item.any("type"),
              "message, function_call, function_call_output or reasoning");
    }
  }

  private static Message message(Fields item) {
    String role = item.requiredText("role");
    String content = ChatMessages.content(item, "content", "input_text", "output_text", "text");
    if (content == null) {
      throw item.missing("content");
    }
    return switch (role) {
      case "system", "developer" -> Message.system(content);
      case "user" -> Message.user(content);
      case "assistant" -> Message.assistant(content);
      default -> throw item.wrong("role", item.any("role"), "system, developer, user or assistant");
    };
  }

  /** Calls stand beside the answer that they belong to; in a conversation they are part of it. */
  private static void addCall(Fields item, List<Message> all) {
    ToolCall call =
        new ToolCall(
            item.requiredText("call_id"),
            ChatMessages.filled(item, "name"),
            item.requiredText("arguments"));
    Message last = all.isEmpty() ? null : all.getLast();
    if (last == null || last.role() != Role.ASSISTANT) {
      all.add(Message.assistant(null, List.of(call)));
      return;
    }
    List<ToolCall> calls = new ArrayList<>(last.toolCalls());
    calls.add(call);
    all.set(all.size() - 1, Message.assistant(last.content(), calls));
  }

  private static List<Tool> tools(Fields body, Limits limits) {
    List<Tool> all = new ArrayList<>();
    for (Fields tool : body.objects("tools", limits.tools())) {
      ChatBody.requireFunction(tool);
      all.add(ChatBody.tool(tool));
    }
    return all;
  }

  private static ToolChoice choice(Fields body) {
    JsonNode value = body.any("tool_choice");
    if (value == null || value.isTextual()) {
      return ChatBody.word(body, value);
    }
    Fields choice = body.object("tool_choice");
    ChatBody.requireFunction(choice);
    return ToolChoice.named(ChatMessages.filled(choice, "name"));
  }

  private static ResponseFormat format(Fields body) {
    Fields text = body.object("text");
    Fields format = text == null ? null : text.object("format");
    if (format == null) {
      return ResponseFormat.TEXT;
    }
    return switch (format.requiredText("type")) {
      case "text" -> ResponseFormat.TEXT;
      case "json_object" -> ResponseFormat.JSON_OBJECT;
      case "json_schema" -> ChatBody.schema(format);
      default -> throw format.wrong("type", format.any("type"), "text, json_object or json_schema");
    };
  }
}

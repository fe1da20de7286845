package io.mla4j.server;

import com.fasterxml.jackson.databind.JsonNode;
import io.mla4j.engine.chat.Message;
import io.mla4j.engine.chat.Role;
import io.mla4j.engine.chat.ToolCall;
import java.util.ArrayList;
import java.util.List;

/** Reads the messages of a request to chat completions. */
final class ChatMessages {
  private ChatMessages() {}

  /** Those of {@code messages}. */
  static List<Message> read(Fields body, Limits limits) {
    List<Fields> items = body.objects("messages", limits.messages());
    if (items.isEmpty()) {
      throw body.has("messages")
          ? ApiException.field("messages", "messages is empty, but must have at least one")
          : body.missing("messages");
    }
    List<Message> all = new ArrayList<>();
    for (Fields item : items) {
      all.add(message(item, limits));
    }
    return all;
  }

  private static Message message(Fields item, Limits limits) {
    String role = item.requiredText("role");
    String content = content(item, "content", "text");
    String name = item.text("name", null);
    return switch (role) {
      case "system", "developer" ->
          new Message(Role.SYSTEM, required(item, content), null, List.of(), null, name);
      case "user" -> new Message(Role.USER, required(item, content), null, List.of(), null, name);
      case "assistant" -> answer(item, content, name, limits);
      case "tool" ->
          new Message(
              Role.TOOL,
              required(item, content),
              null,
              List.of(),
              item.text("tool_call_id", null),
              name);
      default ->
          throw item.wrong("role", item.any("role"), "system, developer, user, assistant or tool");
    };
  }

  private static String required(Fields item, String content) {
    if (content == null) {
      throw item.missing("content");
    }
    return content;
  }

  private static Message answer(Fields item, String content, String name, Limits limits) {
    List<ToolCall> calls = new ArrayList<>();
    for (Fields call : item.objects("tool_calls", limits.tools())) {
      Fields function = call.object("function");
      if (function == null) {
        throw call.missing("function");
      }
      calls.add(
          new ToolCall(
              call.text("id", ""), filled(function, "name"), function.requiredText("arguments")));
    }
    String reasoning = item.text("reasoning_content", item.text("reasoning", null));
    return new Message(Role.ASSISTANT, content, reasoning, calls, null, name);
  }

  /** A text that is not empty. */
  static String filled(Fields fields, String name) {
    String text = fields.requiredText(name);
    fields.require(!text.isEmpty(), name, fields.any(name), "a name");
    return text;
  }

  /**
   * A text, or parts that are texts.
   *
   * @param types of the parts that are texts
   * @return null where it is absent
   */
  static String content(Fields item, String name, String... types) {
    JsonNode value = item.any(name);
    if (value == null || value.isTextual()) {
      return item.text(name, null);
    }
    item.require(value.isArray(), name, value, "a string or an array of parts");
    StringBuilder text = new StringBuilder();
    for (Fields part : item.objects(name, Limits.DEFAULT.messages())) {
      String type = part.requiredText("type");
      part.require(
          List.of(types).contains(type), "type", part.any("type"), String.join(" or ", types));
      text.append(part.requiredText("text"));
    }
    return text.toString();
  }
}

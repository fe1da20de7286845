package io.mla4j.langchain4j;

import dev.langchain4j.agent.tool.ToolExecutionRequest;
import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.data.message.Content;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.TextContent;
import dev.langchain4j.data.message.ToolExecutionResultMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.internal.JsonSchemaElementUtils;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ResponseFormat;
import dev.langchain4j.model.chat.request.ResponseFormatType;
import io.mla4j.engine.chat.Message;
import io.mla4j.engine.chat.Role;
import io.mla4j.engine.chat.Tool;
import io.mla4j.engine.chat.ToolCall;
import io.mla4j.engine.chat.ToolChoice;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Conversations of LangChain4j as those of an engine. */
final class Messages {
  private static final Map<String, Object> NO_PARAMETERS =
      Map.of("type", "object", "properties", Map.of());

  private Messages() {}

  static io.mla4j.engine.chat.ChatRequest.Builder chat(ChatRequest request) {
    io.mla4j.engine.chat.ChatRequest.Builder chat =
        io.mla4j.engine.chat.ChatRequest.builder().messages(all(request.messages()));
    if (request.toolSpecifications() != null) {
      chat.tools(request.toolSpecifications().stream().map(Messages::tool).toList());
    }
    if (request.toolChoice() != null) {
      chat.toolChoice(
          switch (request.toolChoice()) {
            case AUTO -> ToolChoice.AUTO;
            case REQUIRED -> ToolChoice.REQUIRED;
            case NONE -> ToolChoice.NONE;
          });
    }
    return chat.format(format(request.responseFormat()));
  }

  static List<Message> all(Iterable<ChatMessage> messages) {
    List<Message> all = new ArrayList<>();
    messages.forEach(message -> all.add(one(message)));
    return all;
  }

  static Message one(ChatMessage message) {
    return switch (message) {
      case SystemMessage system -> Message.system(system.text());
      case UserMessage user ->
          new Message(Role.USER, text(user.contents()), null, List.of(), null, user.name());
      case AiMessage answer ->
          Message.assistant(answer.text(), calls(answer.toolExecutionRequests()))
              .withReasoning(answer.thinking());
      case ToolExecutionResultMessage result ->
          Message.tool(result.id(), result.toolName(), text(result.contents()));
      default ->
          throw new UnsupportedFeatureException(
              "messages of type " + message.type() + " are not supported");
    };
  }

  private static String text(List<Content> contents) {
    StringBuilder text = new StringBuilder();
    for (Content content : contents) {
      if (!(content instanceof TextContent part)) {
        throw new UnsupportedFeatureException(
            "non-text content of type "
                + content.type().name().toLowerCase(Locale.ROOT)
                + " is not supported");
      }
      text.append(text.isEmpty() ? "" : "\n").append(part.text());
    }
    return text.toString();
  }

  private static List<ToolCall> calls(List<ToolExecutionRequest> requests) {
    List<ToolCall> calls = new ArrayList<>();
    for (ToolExecutionRequest request : requests) {
      String id = request.id() == null ? "call_" + calls.size() : request.id();
      calls.add(new ToolCall(id, request.name(), request.arguments()));
    }
    return calls;
  }

  private static Tool tool(ToolSpecification specification) {
    Map<String, Object> parameters =
        specification.parameters() == null
            ? NO_PARAMETERS
            : JsonSchemaElementUtils.toMap(specification.parameters());
    return new Tool(specification.name(), specification.description(), parameters);
  }

  private static io.mla4j.engine.chat.ResponseFormat format(ResponseFormat format) {
    if (format == null || format.type() == ResponseFormatType.TEXT) {
      return io.mla4j.engine.chat.ResponseFormat.TEXT;
    }
    return format.jsonSchema() == null
        ? io.mla4j.engine.chat.ResponseFormat.JSON_OBJECT
        : io.mla4j.engine.chat.ResponseFormat.schema(
            JsonSchemaElementUtils.toMap(format.jsonSchema().rootElement()));
  }
}

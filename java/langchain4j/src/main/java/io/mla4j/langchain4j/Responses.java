package io.mla4j.langchain4j;

import dev.langchain4j.agent.tool.ToolExecutionRequest;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.exception.TimeoutException;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.output.FinishReason;
import dev.langchain4j.model.output.TokenUsage;
import io.mla4j.engine.chat.ChatEvent;
import io.mla4j.engine.chat.Message;
import io.mla4j.engine.chat.ToolCall;
import java.util.List;

/** Answers of an engine as those of LangChain4j. */
final class Responses {
  private Responses() {}

  /**
   * The response of an answer that ended.
   *
   * @throws TimeoutException where it ended since its time was over
   */
  static ChatResponse of(ChatEvent.Finished finished, String id, String modelName) {
    Message message = finished.message();
    List<ToolExecutionRequest> calls =
        message.toolCalls().stream().map(Responses::toolExecutionRequest).toList();
    FinishReason reason =
        switch (finished.reason()) {
          case STOP -> finished.callsTools() ? FinishReason.TOOL_EXECUTION : FinishReason.STOP;
          case LENGTH, CONTEXT -> FinishReason.LENGTH;
          case CANCELLED -> FinishReason.OTHER;
          case DEADLINE ->
              throw new TimeoutException(
                  "the answer had "
                      + finished.usage().generatedTokens()
                      + " tokens when its time was over");
        };
    return ChatResponse.builder()
        .id(id)
        .modelName(modelName)
        .aiMessage(
            AiMessage.builder()
                .text(nullIfEmpty(message.content()))
                .thinking(nullIfEmpty(message.reasoning()))
                .toolExecutionRequests(calls)
                .build())
        .tokenUsage(
            new TokenUsage(finished.usage().promptTokens(), finished.usage().generatedTokens()))
        .finishReason(reason)
        .build();
  }

  static ToolExecutionRequest toolExecutionRequest(ToolCall call) {
    return ToolExecutionRequest.builder()
        .id(call.id())
        .name(call.name())
        .arguments(call.arguments())
        .build();
  }

  private static String nullIfEmpty(String text) {
    return text == null || text.isEmpty() ? null : text;
  }
}

package io.mla4j.langchain4j;

import dev.langchain4j.exception.InternalServerException;
import dev.langchain4j.exception.LangChain4jException;
import dev.langchain4j.exception.TimeoutException;
import dev.langchain4j.internal.InternalStreamingChatResponseHandlerUtils;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.CompleteToolCall;
import dev.langchain4j.model.chat.response.PartialToolCall;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.chat.response.StreamingHandle;
import io.mla4j.engine.chat.ChatAnswer;
import io.mla4j.engine.chat.ChatDelta;
import io.mla4j.engine.chat.ChatEvent;
import io.mla4j.engine.chat.ToolCall;
import java.util.List;

/** One answer on its way to a handler: runs on the thread that makes all of the handler's calls. */
final class Stream implements Runnable, StreamingHandle {
  private final ChatAnswer answer;
  private final StreamingChatResponseHandler handler;
  private final String id;
  private final String modelName;
  private volatile boolean cancelled;

  /** The call that is being written. */
  private ChatDelta.CallStart call;

  private final StringBuilder arguments = new StringBuilder();

  /** Arguments that were not told yet. */
  private final StringBuilder pending = new StringBuilder();

  Stream(ChatAnswer answer, StreamingChatResponseHandler handler, String id, String modelName) {
    this.answer = answer;
    this.handler = handler;
    this.id = id;
    this.modelName = modelName;
  }

  @Override
  public void cancel() {
    cancelled = true;
    answer.cancel();
  }

  @Override
  public boolean isCancelled() {
    return cancelled;
  }

  @Override
  public void run() {
    try {
      for (ChatEvent event = answer.next(); event != null && !cancelled; event = answer.next()) {
        tell(event);
      }
    } catch (InterruptedException e) {
      answer.cancel();
      fail(new InternalServerException("interrupted while waiting for the answer", e));
    }
  }

  private void tell(ChatEvent event) {
    switch (event) {
      case ChatEvent.Token token -> tell(token.deltas());
      case ChatEvent.Finished finished -> {
        tell(finished.deltas());
        endCall();
        if (!cancelled) {
          complete(finished);
        }
      }
      case ChatEvent.Failed failed -> fail(Conversations.translated(failed.error()));
    }
  }

  private void tell(List<ChatDelta> deltas) {
    for (ChatDelta delta : deltas) {
      if (cancelled) {
        return;
      }
      switch (delta) {
        case ChatDelta.Content content ->
            InternalStreamingChatResponseHandlerUtils.onPartialResponse(
                handler, content.text(), this);
        case ChatDelta.Reasoning reasoning ->
            InternalStreamingChatResponseHandlerUtils.onPartialThinking(
                handler, reasoning.text(), this);
        case ChatDelta.CallStart start -> {
          endCall();
          call = start;
        }
        case ChatDelta.CallArguments more -> {
          arguments.append(more.text());
          pending.append(more.text());
          if (!saysNothing(pending)) {
            tellArguments();
          }
        }
      }
    }
  }

  /** A brace alone waits for what it opens: an empty object is one piece, and none is blank. */
  private static boolean saysNothing(StringBuilder text) {
    String stripped = text.toString().strip();
    return stripped.isEmpty() || stripped.equals("{");
  }

  private void tellArguments() {
    PartialToolCall partial =
        PartialToolCall.builder()
            .index(call.index())
            .id(call.id())
            .name(call.name())
            .partialArguments(pending.toString())
            .build();
    pending.setLength(0);
    InternalStreamingChatResponseHandlerUtils.onPartialToolCall(handler, partial, this);
  }

  private void endCall() {
    if (call == null || cancelled) {
      return;
    }
    if (!pending.isEmpty()) {
      tellArguments();
    }
    if (!cancelled) {
      CompleteToolCall complete =
          new CompleteToolCall(
              call.index(),
              Responses.toolExecutionRequest(
                  new ToolCall(call.id(), call.name(), arguments.toString())));
      InternalStreamingChatResponseHandlerUtils.onCompleteToolCall(handler, complete);
    }
    call = null;
    arguments.setLength(0);
  }

  private void complete(ChatEvent.Finished finished) {
    ChatResponse response;
    try {
      response = Responses.of(finished, id, modelName);
    } catch (TimeoutException e) {
      fail(e);
      return;
    }
    InternalStreamingChatResponseHandlerUtils.onCompleteResponse(handler, response);
  }

  private void fail(LangChain4jException error) {
    InternalStreamingChatResponseHandlerUtils.withLoggingExceptions(() -> handler.onError(error));
  }
}

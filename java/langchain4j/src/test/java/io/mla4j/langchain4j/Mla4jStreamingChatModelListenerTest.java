package io.mla4j.langchain4j;

import dev.langchain4j.exception.InternalServerException;
import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.common.AbstractStreamingChatModelListenerIT;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import io.mla4j.BackendException;
import io.mla4j.engine.Engine;
import java.util.List;

/** LangChain4j's own tests of listeners; the model has no name that a request could give. */
class Mla4jStreamingChatModelListenerTest extends AbstractStreamingChatModelListenerIT {
  private static final Engine FAILING =
      ScriptedEngine.open(
          (user, results) -> {
            throw new BackendException("a kernel failed");
          });

  @Override
  protected StreamingChatModel createModel(ChatModelListener listener) {
    return Mla4jStreamingChatModel.builder()
        .engine(ScriptedEngine.ENGINE)
        .temperature(temperature())
        .topP(topP())
        .maxOutputTokens(maxTokens())
        .listeners(List.of(listener))
        .build();
  }

  @Override
  protected String modelName() {
    return null;
  }

  @Override
  protected StreamingChatModel createFailingModel(ChatModelListener listener) {
    return Mla4jStreamingChatModel.builder().engine(FAILING).listeners(List.of(listener)).build();
  }

  @Override
  protected Class<? extends Exception> expectedExceptionClass() {
    return InternalServerException.class;
  }
}

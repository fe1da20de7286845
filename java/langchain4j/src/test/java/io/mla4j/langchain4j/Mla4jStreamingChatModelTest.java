package io.mla4j.langchain4j;

import static org.mockito.ArgumentMatchers.any;
import static org.mockito.ArgumentMatchers.argThat;
import static org.mockito.Mockito.atLeast;

import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.common.AbstractStreamingChatModelIT;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import io.mla4j.testkit.QuickRun;
import java.util.List;
import org.mockito.InOrder;

/**
 * LangChain4j's own tests of streaming models. Off are the name of another model and images, as for
 * {@link Mla4jChatModelTest}; and, in a quick run of all tests alone, the one of cancellation,
 * which waits for half a minute that nothing comes ({@link CancellationTest} asks the engine
 * instead).
 */
class Mla4jStreamingChatModelTest extends AbstractStreamingChatModelIT {
  @Override
  protected List<StreamingChatModel> models() {
    return List.of(ScriptedEngine.streaming());
  }

  @Override
  protected StreamingChatModel createModelWith(ChatRequestParameters parameters) {
    return Mla4jStreamingChatModel.builder()
        .engine(ScriptedEngine.ENGINE)
        .defaultRequestParameters(parameters)
        .build();
  }

  @Override
  public StreamingChatModel createModelWith(ChatModelListener listener) {
    return ScriptedEngine.streaming(listener);
  }

  @Override
  protected ChatRequestParameters createIntegrationSpecificParameters(int maxOutputTokens) {
    return createParameters(maxOutputTokens);
  }

  @Override
  protected boolean supportsStreamingCancellation() {
    return !QuickRun.isOn();
  }

  @Override
  protected void verifyToolCallbacks(
      StreamingChatResponseHandler handler, InOrder inOrder, String id) {
    verifyCall(handler, inOrder, 0, id, "getWeather", "{\"city\": \"Munich\"}");
  }

  @Override
  protected void verifyToolCallbacks(
      StreamingChatResponseHandler handler, InOrder inOrder, String id1, String id2) {
    verifyCall(handler, inOrder, 0, id1, "getWeather", "{\"city\": \"Munich\"}");
    verifyCall(handler, inOrder, 1, id2, "getTime", "{\"country\": \"France\"}");
  }

  private static void verifyCall(
      StreamingChatResponseHandler handler,
      InOrder inOrder,
      int index,
      String id,
      String name,
      String arguments) {
    inOrder
        .verify(handler, atLeast(2))
        .onPartialToolCall(argThat(partial -> partial.index() == index), any());
    inOrder.verify(handler).onCompleteToolCall(complete(index, id, name, arguments));
  }

  @Override
  protected boolean supportsModelNameParameter() {
    return false;
  }

  @Override
  protected boolean supportsSingleImageInputAsBase64EncodedString() {
    return false;
  }

  @Override
  protected boolean supportsSingleImageInputAsPublicURL() {
    return false;
  }
}

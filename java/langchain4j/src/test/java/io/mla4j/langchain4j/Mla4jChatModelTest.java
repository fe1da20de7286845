package io.mla4j.langchain4j;

import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.common.AbstractChatModelIT;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import java.util.List;

/**
 * LangChain4j's own tests of models. Off are the name of another model, since an engine has one,
 * and images, since no model here reads them: both are refused, which is tested instead.
 */
class Mla4jChatModelTest extends AbstractChatModelIT {
  @Override
  protected List<ChatModel> models() {
    return List.of(ScriptedEngine.chat());
  }

  @Override
  protected ChatModel createModelWith(ChatRequestParameters parameters) {
    return Mla4jChatModel.builder()
        .engine(ScriptedEngine.ENGINE)
        .defaultRequestParameters(parameters)
        .build();
  }

  @Override
  protected ChatRequestParameters createIntegrationSpecificParameters(int maxOutputTokens) {
    return createParameters(maxOutputTokens);
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

package io.mla4j.langchain4j;

import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.service.common.AbstractAiServiceIT;
import java.util.List;

/** LangChain4j's own tests of services; all of them. */
class Mla4jAiServiceTest extends AbstractAiServiceIT {
  @Override
  protected List<ChatModel> models() {
    return List.of(ScriptedEngine.chat());
  }
}

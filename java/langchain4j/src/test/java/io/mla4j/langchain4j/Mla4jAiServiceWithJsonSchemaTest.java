package io.mla4j.langchain4j;

import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.service.common.AbstractAiServiceWithJsonSchemaIT;
import java.util.List;

/** LangChain4j's own tests of services whose answers have a schema; all of them. */
class Mla4jAiServiceWithJsonSchemaTest extends AbstractAiServiceWithJsonSchemaIT {
  @Override
  protected List<ChatModel> models() {
    return List.of(ScriptedEngine.chat());
  }

  @Override
  protected boolean supportsRecursion() {
    return true;
  }
}

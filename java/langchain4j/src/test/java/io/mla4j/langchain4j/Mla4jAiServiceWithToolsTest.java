package io.mla4j.langchain4j;

import dev.langchain4j.data.image.Image;
import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.service.common.AbstractAiServiceWithToolsIT;
import java.util.List;

/**
 * LangChain4j's own tests of services with tools. Off are tools that give images, which is tested
 * to be refused, with an image that is not downloaded.
 */
class Mla4jAiServiceWithToolsTest extends AbstractAiServiceWithToolsIT {
  @Override
  protected List<ChatModel> models() {
    return List.of(ScriptedEngine.chat());
  }

  @Override
  protected Image catImage() {
    return Image.builder().base64Data("iVBORw0KGgo=").mimeType("image/png").build();
  }

  @Override
  protected boolean supportsRecursion() {
    return true;
  }
}

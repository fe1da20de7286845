package io.mla4j.langchain4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import dev.langchain4j.agent.tool.Tool;
import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.service.AiServices;
import io.mla4j.testkit.ShownCode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The programs of docs/integrations.md. */
class ShownProgramTest {
  private static final Path MODEL = Path.of(System.getProperty("mla4j.root"), "models/tiny-mla");

  private static String ask(Path path) {
    // begin
    try (Mla4jChatModel model = Mla4jChatModel.builder().model(path).maxOutputTokens(40).build()) {
      return model.chat("Who made the heaven and the earth?");
    }
    // end
  }

  // begin
  interface Assistant {
    String answer(String question);
  }

  static class Calculator {
    @Tool
    int add(int a, int b) {
      return a + b;
    }
  }

  static Assistant assistant(ChatModel model) { // an Mla4jChatModel
    return AiServices.builder(Assistant.class).chatModel(model).tools(new Calculator()).build();
  }

  // end

  /** The carried model has no template: one line for each message is enough for it. */
  @Test
  void modelOfAPathAnswers(@TempDir Path folder) throws IOException {
    try (Stream<Path> files = Files.list(MODEL)) {
      for (Path file : files.toList()) {
        Files.createSymbolicLink(folder.resolve(file.getFileName()), file);
      }
    }
    Files.writeString(
        folder.resolve("chat_template.jinja"),
        "{% for message in messages %}{{ message.content }}\n{% endfor %}");
    assertFalse(ask(folder).isBlank());
  }

  @Test
  void serviceUsesItsTool() {
    try (Mla4jChatModel model = ScriptedEngine.chat()) {
      assertEquals("It is 42.", assistant(model).answer("How much is 30 plus 12?"));
    }
  }

  @Test
  void areWhatTheDocumentShows() throws IOException {
    ShownCode.assertShown(
        "java/langchain4j/src/test/java/io/mla4j/langchain4j/ShownProgramTest.java",
        "docs/integrations.md");
  }
}

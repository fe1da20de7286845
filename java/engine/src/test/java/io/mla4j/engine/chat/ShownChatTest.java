package io.mla4j.engine.chat;

import static org.junit.jupiter.api.Assertions.assertFalse;

import io.mla4j.engine.Engine;
import io.mla4j.engine.EngineOptions;
import io.mla4j.engine.Request;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The program of docs/chat.md; that what is shown is this is a test of java/bench. */
class ShownChatTest {
  private static final Path MODEL = Path.of(System.getProperty("mla4j.root"), "models/tiny-mla");

  private static void ask(Path model) throws InterruptedException {
    // begin
    try (Engine engine = Engine.open(model, EngineOptions.builder().build())) {
      Chats chats = new Chats(engine);
      ChatRequest request = ChatRequest.builder().user("What is the capital of Peru?").build();
      ChatAnswer answer = chats.submit(request, Request.builder().maxTokens(100));
      for (ChatEvent event; (event = answer.next()) != null; ) {
        if (event instanceof ChatEvent.Token token) {
          token.deltas().forEach(System.out::println);
        }
      }
    }
    // end
  }

  /** The carried model has no template: one line for each message is enough for it. */
  @Test
  void printsAnAnswer(@TempDir Path folder) throws IOException, InterruptedException {
    try (Stream<Path> files = Files.list(MODEL)) {
      for (Path file : files.toList()) {
        Files.createSymbolicLink(folder.resolve(file.getFileName()), file);
      }
    }
    Files.writeString(
        folder.resolve("chat_template.jinja"),
        "{% for message in messages %}{{ message.content }}\n{% endfor %}");
    PrintStream before = System.out;
    ByteArrayOutputStream printed = new ByteArrayOutputStream();
    System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
    try {
      ask(folder);
    } finally {
      System.setOut(before);
    }
    assertFalse(printed.toString(StandardCharsets.UTF_8).isBlank());
  }
}

package io.mla4j.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.mla4j.testkit.ShownCode;
import io.mla4j.text.GenerationOptions;
import io.mla4j.text.Model;
import io.mla4j.text.SamplingOptions;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** The program of README.md that asks an engine. */
class ReadmeEngineTest {
  private static void run(Path path) throws InterruptedException {
    // begin
    try (Engine engine = Engine.open(path, EngineOptions.DEFAULT)) {
      Request request = Request.builder().prompt("In the beginning").maxTokens(40).build();
      Answer answer = engine.submit(request); // from any thread, as many as come
      for (Event event; (event = answer.next()) != null; ) {
        if (event instanceof Event.Token token) {
          System.out.print(token.text());
        }
      }
    }
    // end
  }

  @Test
  void writesWhatTheModelWrites() throws InterruptedException {
    Path path = Path.of(System.getProperty("mla4j.root")).resolve("models/tiny-mla");
    PrintStream before = System.out;
    ByteArrayOutputStream text = new ByteArrayOutputStream();
    System.setOut(new PrintStream(text, true, StandardCharsets.UTF_8));
    try {
      run(path);
    } finally {
      System.setOut(before);
    }
    try (Model model = Model.open(path)) {
      GenerationOptions options = GenerationOptions.of(40, SamplingOptions.GREEDY);
      assertEquals(
          model.generate("In the beginning", options, _ -> {}).text(),
          text.toString(StandardCharsets.UTF_8));
    }
  }

  @Test
  void isWhatTheReadmeShows() throws IOException {
    ShownCode.assertShown(
        "java/engine/src/test/java/io/mla4j/engine/ReadmeEngineTest.java", "README.md");
  }
}

package io.mla4j.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The shortest program of README.md, which writes a text. */
class ReadmeTextTest {
  private static final Path ROOT = Path.of(System.getProperty("mla4j.root"));

  private static void run(Path path) {
    // begin
    try (Model model = Model.open(path)) { // a directory: models/tiny-mla, for instance
      model.generate("The word of the LORD came", System.out::print);
    }
    // end
  }

  @Test
  void writesTheText() {
    PrintStream before = System.out;
    ByteArrayOutputStream text = new ByteArrayOutputStream();
    System.setOut(new PrintStream(text, true, StandardCharsets.UTF_8));
    try {
      run(ROOT.resolve("models/tiny-mla"));
    } finally {
      System.setOut(before);
    }
    String written = text.toString(StandardCharsets.UTF_8);
    assertTrue(written.startsWith(" unto me, saying, Son of man, set thy face"), written);
  }

  @Test
  void isWhatTheReadmeShows() throws IOException {
    List<String> source =
        Files.readAllLines(
            ROOT.resolve("java/model/src/test/java/io/mla4j/text/ReadmeTextTest.java"));
    List<String> readme = Files.readAllLines(ROOT.resolve("README.md"));
    assertEquals(between(source, "// begin", "// end"), between(readme, "```java", "```"));
  }

  private static List<String> between(List<String> lines, String begin, String end) {
    List<String> stripped = lines.stream().map(String::strip).toList();
    int from = stripped.indexOf(begin) + 1;
    return stripped.subList(from, from + stripped.subList(from, stripped.size()).indexOf(end));
  }
}

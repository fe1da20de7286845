package io.mla4j.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The programs of README.md that write a text, and that fork and save one. */
class ReadmeTextTest {
  private static final Path ROOT = Path.of(System.getProperty("mla4j.root"));

  private static void run(Path path) {
    // begin
    try (Model model = Model.open(path)) { // a directory: models/tiny-mla, for instance
      model.generate("The word of the LORD came", System.out::print);
    }
    // end
  }

  private static void forkAndSave(Path path, String text, Path file) {
    // begin
    try (Model model = Model.open(path);
        Session document = model.session()) {
      document.append(text);
      document.save(file); // model.load(file) goes on from there, bit for bit
      try (Session question = document.fork()) { // shares the document's pages
        question.append(" In short:");
        int id = question.next(SamplingOptions.GREEDY);
      }
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
  void forksAndSaves(@TempDir Path folder) {
    Path model = ROOT.resolve("models/tiny-mla");
    Path file = folder.resolve("document.cache");
    forkAndSave(model, "In the beginning", file);
    try (Model again = Model.open(model);
        Session document = again.load(file)) {
      assertArrayEquals(again.tokenizer().encode("In the beginning", true), document.ids());
    }
  }

  @Test
  void isWhatTheReadmeShows() throws IOException {
    List<String> source =
        Files.readAllLines(
            ROOT.resolve("java/model/src/test/java/io/mla4j/text/ReadmeTextTest.java"));
    List<String> readme = Files.readAllLines(ROOT.resolve("README.md"));
    assertEquals(
        between(source, "// begin", "// end"), between(readme, "```java", "```").subList(0, 2));
  }

  /** What stands between the lines {@code begin} and {@code end}, as often as it does. */
  private static List<List<String>> between(List<String> lines, String begin, String end) {
    List<String> rest = lines.stream().map(String::strip).toList();
    List<List<String>> found = new ArrayList<>();
    for (int from = rest.indexOf(begin); from >= 0; from = rest.indexOf(begin)) {
      rest = rest.subList(from + 1, rest.size());
      found.add(rest.subList(0, rest.indexOf(end)));
    }
    return found;
  }
}

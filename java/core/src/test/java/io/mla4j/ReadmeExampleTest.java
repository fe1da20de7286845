package io.mla4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

class ReadmeExampleTest {
  private static final Path ROOT = Path.of(System.getProperty("mla4j.root"));

  @Test
  void runs() {
    float[] out = ReadmeExample.run();
    assertEquals(16 * 512, out.length);
    for (float value : out) {
      assertEquals(0.5f, value, 1e-6f); // the mean of equal rows
    }
  }

  @Test
  void isWhatTheReadmeShows() throws IOException {
    List<String> source =
        Files.readAllLines(ROOT.resolve("java/core/src/test/java/io/mla4j/ReadmeExample.java"));
    List<String> readme = Files.readAllLines(ROOT.resolve("README.md"));
    int attention = indexOfLine(readme, "int heads = ");
    List<String> shown = between(readme.subList(attention - 1, readme.size()), "```java", "```");
    assertEquals(between(source, "// begin", "// end"), shown.subList(0, shown.size() - 1));
    assertEquals("}", shown.getLast());
    assertTrue(shown.size() <= 25, shown.size() + " lines");
  }

  private static int indexOfLine(List<String> lines, String start) {
    for (int i = 0; i < lines.size(); i++) {
      if (lines.get(i).startsWith(start)) {
        return i;
      }
    }
    throw new AssertionError("README.md has no line that starts with " + start);
  }

  private static List<String> between(List<String> lines, String begin, String end) {
    List<String> stripped = lines.stream().map(String::strip).toList();
    int from = stripped.indexOf(begin) + 1;
    int length = stripped.subList(from, stripped.size()).indexOf(end);
    return stripped.subList(from, from + length);
  }
}

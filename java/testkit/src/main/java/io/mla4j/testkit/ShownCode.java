package io.mla4j.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Programs of a document that a test compiles and runs: both must be the same text. */
public final class ShownCode {
  private ShownCode() {}

  /**
   * Asserts that each passage of {@code source} between lines {@code // begin} and {@code // end}
   * stands in {@code document} as a block of Java of its own, but for the indentation.
   *
   * @param source under the root of the project
   * @param document under the root of the project
   */
  public static void assertShown(String source, String document) throws IOException {
    Path root = Path.of(System.getProperty("mla4j.root"));
    List<String> shown = blocks(root.resolve(document), "```java", "```");
    List<String> passages = blocks(root.resolve(source), "// begin", "// end");
    assertTrue(!passages.isEmpty(), source + " has no passage to show");
    for (String passage : passages) {
      if (!shown.contains(passage)) {
        assertEquals(passage, String.join("\n\n", shown), "is not in " + document);
      }
    }
  }

  private static List<String> blocks(Path file, String begin, String end) throws IOException {
    List<String> found = new ArrayList<>();
    StringBuilder block = null;
    for (String line : Files.readAllLines(file)) {
      String text = line.strip();
      if (block == null) {
        block = text.equals(begin) ? new StringBuilder() : null;
      } else if (text.equals(end)) {
        found.add(block.toString().strip());
        block = null;
      } else {
        block.append(text).append('\n');
      }
    }
    return found;
  }
}

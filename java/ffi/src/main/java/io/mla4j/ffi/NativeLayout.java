package io.mla4j.ffi;

import io.mla4j.BackendException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;

/**
 * Sizes, offsets and signatures that the generated bindings were made for, in the words in which a
 * library tells them of itself ({@code MLA_DESCRIBE_LAYOUT}), so that a library of another version
 * is refused instead of called wrongly.
 *
 * <p>They stand in a file, which a test compares with the bindings: to ask the bindings links every
 * function, and each takes milliseconds.
 */
public record NativeLayout(String text) {
  /** The text of the jar. */
  public static NativeLayout read() {
    try (InputStream in = NativeLayout.class.getResourceAsStream("layout.txt")) {
      return new NativeLayout(new String(in.readAllBytes(), StandardCharsets.UTF_8));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * Compares what a library tells with the bindings.
   *
   * @throws BackendException naming the first line that differs
   */
  public void require(String library, String told) {
    if (told.equals(text)) {
      return;
    }
    String[] expected = text.split("\n", -1);
    String[] actual = told.split("\n", -1);
    for (int i = 0; i < Math.max(expected.length, actual.length); i++) {
      String e = line(expected, i);
      String a = line(actual, i);
      if (!e.equals(a)) {
        throw new BackendException(
            "library "
                + library
                + " does not fit this version of mla4j: line "
                + (i + 1)
                + " of its layout is \""
                + a
                + "\", but must be \""
                + e
                + "\"");
      }
    }
  }

  private static String line(String[] lines, int i) {
    return i < lines.length ? lines[i] : "";
  }
}

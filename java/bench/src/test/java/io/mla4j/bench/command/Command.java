package io.mla4j.bench.command;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.cli.Main;
import io.mla4j.cli.Streams;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.PrintStream;

/** A run of {@code mla4j} in this process. */
record Command(int code, String out, String err) {
  static Command run(String... args) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    ByteArrayOutputStream err = new ByteArrayOutputStream();
    Streams streams =
        new Streams(
            InputStream.nullInputStream(),
            new PrintStream(out, true, UTF_8),
            new PrintStream(err, true, UTF_8),
            false);
    int code = Main.run(streams, args);
    return new Command(code, out.toString(UTF_8), err.toString(UTF_8));
  }

  /** It went well. */
  Command fine() {
    assertEquals(0, code, err);
    return this;
  }

  /** It ended with this code and one line that has these parts; nothing went to stdout. */
  void refused(int expected, String... parts) {
    assertEquals(expected, code, err);
    assertEquals("", out);
    assertEquals(1, err.lines().count(), err);
    for (String part : parts) {
      assertTrue(err.contains(part), err);
    }
  }
}

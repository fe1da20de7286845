package io.mla4j.cli;

import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Locale;

/** Stdout in UTF-8, which remembers why it could not be written. */
final class Results extends PrintStream {
  private final Target target;

  private Results(Target target) {
    super(target, false, StandardCharsets.UTF_8);
    this.target = target;
  }

  static Results to(OutputStream out) {
    return new Results(new Target(out));
  }

  /**
   * Why the results could not be written, or null where they were, or where nobody reads them any
   * more: as after {@code | head}, the command ends without a word.
   */
  static String failure(PrintStream out) {
    String reason = out instanceof Results results ? results.target.reason : null;
    return reason == null || reason.toLowerCase(Locale.ROOT).contains("broken pipe")
        ? null
        : reason;
  }

  /** Keeps the reason, which a PrintStream forgets. */
  private static final class Target extends FilterOutputStream {
    private String reason;

    Target(OutputStream out) {
      super(out);
    }

    @Override
    public void write(int b) throws IOException {
      write(new byte[] {(byte) b}, 0, 1);
    }

    @Override
    public void write(byte[] bytes, int from, int count) throws IOException {
      try {
        out.write(bytes, from, count);
      } catch (IOException e) {
        reason = reason == null ? e.getMessage() : reason;
        throw e;
      }
    }
  }
}

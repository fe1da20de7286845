package io.mla4j.cli;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;

/**
 * Where a command reads and writes: results to {@code out}, everything else to {@code err}.
 *
 * @param interactive whether a person watches stderr; the launcher knows
 */
public record Streams(InputStream in, PrintStream out, PrintStream err, boolean interactive) {
  /** Those of the process, in UTF-8 whatever the locale. */
  static Streams ofProcess() {
    return new Streams(
        System.in,
        new PrintStream(new FileOutputStream(FileDescriptor.out), false, StandardCharsets.UTF_8),
        new PrintStream(new FileOutputStream(FileDescriptor.err), true, StandardCharsets.UTF_8),
        Boolean.getBoolean("mla4j.stderr.tty"));
  }
}

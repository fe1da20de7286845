package io.mla4j.cli;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;

/**
 * Where a command reads and writes: results to {@code out}, everything else to {@code err}.
 *
 * @param interactive whether a person watches stderr; the launcher knows
 */
public record Streams(InputStream in, PrintStream out, PrintStream err, boolean interactive) {
  /** Those of the process, in UTF-8 whatever the locale. */
  static Streams ofProcess() {
    Integer stdout = Integer.getInteger("mla4j.stdout");
    if (stdout != null) {
      takeStdout(stdout);
    }
    return new Streams(
        System.in,
        Results.to(new FileOutputStream(FileDescriptor.out)),
        new PrintStream(new FileOutputStream(FileDescriptor.err), true, StandardCharsets.UTF_8),
        Boolean.getBoolean("mla4j.stderr.tty"));
  }

  /**
   * Makes the file that the launcher kept under another number stdout again, after agents that
   * print have started.
   */
  private static void takeStdout(int kept) {
    Linker linker = Linker.nativeLinker();
    MethodHandle dup2 =
        linker.downcallHandle(
            linker.defaultLookup().findOrThrow("dup2"),
            FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT));
    try {
      System.out.flush();
      int _ = (int) dup2.invokeExact(kept, 1);
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
  }
}

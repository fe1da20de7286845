package io.mla4j.bench;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/** The least that a JVM can be started for: the yardstick of {@link StartupBench}. */
public final class HelloWorld {
  private HelloWorld() {}

  /** Writes two words to stdout. */
  public static void main(String[] args) throws IOException {
    try (FileOutputStream out = new FileOutputStream(FileDescriptor.out)) {
      out.write("Hello, world\n".getBytes(StandardCharsets.UTF_8));
    }
  }
}

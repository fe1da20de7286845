package io.mla4j.bench;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** Other programs that a measurement runs. */
final class Processes {
  private Processes() {}

  /**
   * What a program writes to its stdout.
   *
   * @param variables of its environment, beside those of this process
   * @throws BenchException where it fails, with what it wrote to stderr
   */
  static String output(List<String> command, Map<String, String> variables) {
    try {
      Path error = Files.createTempFile("mla4j-bench-", ".txt");
      try {
        ProcessBuilder builder = new ProcessBuilder(command).redirectError(error.toFile());
        builder.environment().putAll(variables);
        Process process = builder.start();
        String text = new String(process.getInputStream().readAllBytes(), UTF_8);
        int status = process.waitFor();
        if (status != 0) {
          String told = Files.readString(error).strip();
          throw new BenchException(
              String.join(" ", command) + " ended with " + status + ": " + told);
        }
        return text;
      } finally {
        Files.deleteIfExists(error);
      }
    } catch (IOException e) {
      throw new BenchException(command.getFirst() + " cannot be run: " + e.getMessage(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new BenchException(command.getFirst() + " was interrupted", e);
    }
  }

  /** Has the system forget what it has cached of a file, which is synced. */
  static void drop(Path file) {
    output(List.of("dd", "if=" + file, "iflag=nocache", "count=0", "status=none"), Map.of());
  }
}

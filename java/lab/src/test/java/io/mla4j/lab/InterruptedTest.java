package io.mla4j.lab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A conversion that is ended from outside, as Ctrl-C does, leaves nothing on the disk. */
class InterruptedTest {
  private static final Path MODEL = Path.of(System.getProperty("mla4j.root"), "models", "tiny-gqa");

  @TempDir private Path folder;

  /**
   * Ended when it has begun to write, and a while later.
   *
   * @param delay milliseconds
   */
  @ParameterizedTest
  @ValueSource(ints = {0, 150})
  void nothingIsLeft(int delay) throws Exception {
    Path work = Files.createDirectory(folder.resolve("work"));
    Path text = folder.resolve("text.txt");
    Files.writeString(text, Files.readString(MODEL.resolve("heldout.txt")).substring(0, 9000));
    Process process = start(text, work.resolve("out"));
    try {
      long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(120);
      while (list(work).isEmpty() && process.isAlive() && System.nanoTime() < end) {
        Thread.sleep(5);
      }
      assertTrue(process.isAlive(), "it ended before it wrote anything");
      Thread.sleep(delay);
      process.destroy();
      assertTrue(process.waitFor(60, TimeUnit.SECONDS));
    } finally {
      process.destroyForcibly();
    }
    List<Path> left = list(work);
    // Only a conversion that was complete before it was ended may be there.
    if (!left.equals(List.of(work.resolve("out")))) {
      assertEquals(List.of(), left);
    }
  }

  private static List<Path> list(Path folder) throws Exception {
    try (Stream<Path> files = Files.list(folder)) {
      return files.toList();
    }
  }

  private Process start(Path text, Path out) throws Exception {
    return new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "--add-modules",
            "jdk.incubator.vector",
            "--enable-native-access=ALL-UNNAMED",
            "-cp",
            System.getProperty("java.class.path"),
            "io.mla4j.cli.Main",
            "convert",
            "--model",
            MODEL.toString(),
            "--calibrate",
            text.toString(),
            "--out",
            out.toString(),
            "--latent",
            "64",
            "--rope",
            "32",
            "--method",
            "svd")
        .redirectOutput(ProcessBuilder.Redirect.DISCARD)
        .redirectError(folder.resolve("stderr").toFile())
        .start();
  }
}

package io.mla4j.bench;

import java.io.IOException;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.BooleanSupplier;

/**
 * From starting a process to the first byte on its stdout: the command with the carried model, next
 * to a JVM that only says hello. In turns, after one start of each that warms the files.
 */
final class StartupBench {
  private static final int MIN_REPETITIONS = 5;

  private StartupBench() {}

  /**
   * @param command starts text generation
   */
  static List<Row> run(
      Settings settings, List<String> command, Progress progress, BooleanSupplier stopped) {
    List<String> hello =
        List.of(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-cp",
            codeSource(),
            HelloWorld.class.getName());
    firstByte(hello);
    firstByte(command);
    List<Double> helloNanos = new ArrayList<>();
    List<Double> textNanos = new ArrayList<>();
    int repetitions = Math.max(MIN_REPETITIONS, settings.repetitions());
    for (int i = 0; i < repetitions && !stopped.getAsBoolean(); i++) {
      progress.at(i, repetitions, "start");
      helloNanos.add((double) firstByte(hello));
      textNanos.add((double) firstByte(command));
    }
    progress.at(repetitions, repetitions, "");
    if (helloNanos.isEmpty()) {
      return List.of();
    }
    double ratio = Statistics.median(array(textNanos)) / Statistics.median(array(helloNanos));
    return List.of(
        row("hello", "a JVM that writes two words", helloNanos),
        row(
            "generate",
            String.format(Locale.ROOT, "first text: %.2f times hello", ratio),
            textNanos));
  }

  private static String codeSource() {
    return classPath(HelloWorld.class.getProtectionDomain().getCodeSource().getLocation());
  }

  /** The folder or jar of a URL; its name may have spaces, which a URL writes otherwise. */
  static String classPath(URL location) {
    try {
      return Path.of(location.toURI()).toString();
    } catch (URISyntaxException e) {
      throw new BenchException(location + " is no file", e);
    }
  }

  private static Row row(String kind, String shape, List<Double> nanos) {
    Axes axes =
        Axes.of("startup")
            .with(Axis.KIND, kind)
            .with(Axis.BACKEND, "jvm")
            .with(Axis.RESIDENCY, "warm")
            .with(Axis.SHAPE, shape);
    return Row.of(axes, new Work(0, 0, 0), array(nanos), Row.Bounds.NONE);
  }

  private static double[] array(List<Double> list) {
    return list.stream().mapToDouble(d -> d).toArray();
  }

  /** Nanoseconds until the first byte; the process is waited for, so that the next one is alone. */
  private static long firstByte(List<String> command) {
    try {
      Path error = Files.createTempFile("mla4j-bench-", ".txt");
      try {
        long start = System.nanoTime();
        Process process =
            new ProcessBuilder(command)
                .redirectError(error.toFile())
                .redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()))
                .start();
        int first = process.getInputStream().read();
        long time = System.nanoTime() - start;
        process.getInputStream().readAllBytes();
        int status = process.waitFor();
        if (first < 0 || status != 0) {
          throw new BenchException(
              String.join(" ", command)
                  + " ended with "
                  + status
                  + ": "
                  + Files.readString(error).strip());
        }
        return time;
      } finally {
        Files.deleteIfExists(error);
      }
    } catch (IOException e) {
      throw new BenchException(command.getFirst() + " cannot be run: " + e.getMessage(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new BenchException("a start was interrupted", e);
    }
  }
}

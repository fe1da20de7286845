package io.mla4j.text.vocabulary;

import io.mla4j.checkpoint.Checkpoint;
import io.mla4j.checkpoint.GgufMetadata;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Stream;

/** The keys of a GGUF that are about text. */
public final class GgufText {
  private GgufText() {}

  /**
   * What {@code read} makes of the keys of a GGUF; empty where {@code model} is none and has none.
   * The file is closed after it.
   */
  public static <T> Optional<T> open(Path model, Function<GgufMetadata, T> read) {
    if (!exists(model)) {
      return Optional.empty();
    }
    try (Checkpoint checkpoint = Checkpoint.open(model)) {
      return checkpoint.gguf().map(read);
    }
  }

  /** Whether {@code model} is a GGUF or a directory with one. */
  static boolean exists(Path model) {
    return Files.isDirectory(model) ? hasGguf(model) : isGguf(model);
  }

  private static boolean isGguf(Path file) {
    return file.toString().endsWith(".gguf");
  }

  private static boolean hasGguf(Path directory) {
    try (Stream<Path> files = Files.list(directory)) {
      return files.anyMatch(GgufText::isGguf);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}

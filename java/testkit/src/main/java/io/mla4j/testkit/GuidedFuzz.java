package io.mla4j.testkit;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.ServiceLoader;

/**
 * What scripts/fuzz-readers has Jazzer call: the bytes that it draws are read by the {@link
 * FuzzTarget} that its first argument names, under the rules of {@link ReaderFuzz}. Belongs to one
 * thread.
 */
public final class GuidedFuzz {
  /** Changed originals to begin with, beside the original. */
  private static final int SEEDS = 40;

  private static FuzzTarget target;
  private static FuzzTarget.Opened opened;

  private GuidedFuzz() {}

  /** Without arguments prints the targets' names, else writes bytes to begin with: NAME FOLDER. */
  public static void main(String[] arguments) throws IOException {
    if (arguments.length == 0) {
      targets().forEach(System.out::println);
      return;
    }
    Path folder = Path.of(arguments[1]);
    try (FuzzTarget.Opened seeds = find(arguments[0]).opening().open(temporary())) {
      ReaderFuzz fuzz = new ReaderFuzz(arguments[0]);
      byte[] original = Arrays.copyOf(seeds.original(), seeds.range());
      Files.write(folder.resolve("original"), original);
      for (int i = 0; i < SEEDS; i++) {
        Files.write(folder.resolve("changed-" + i), fuzz.changed(original, original.length));
      }
    }
  }

  /** Called once, by Jazzer. */
  public static void fuzzerInitialize(String[] arguments) throws IOException {
    target = find(arguments[0]);
    opened = target.opening().open(temporary());
    try {
      ReaderFuzz.refuses(target.name() + ", the original: ", opened.original(), opened.reader());
    } catch (ReaderFuzz.LimitError e) {
      // By what was loaded and instrumented meanwhile, which counts for no drawn bytes.
    }
  }

  /** Called with what is drawn in place of the part of the original that changes. */
  public static void fuzzerTestOneInput(byte[] drawn) {
    byte[] original = opened.original();
    int kept = original.length - opened.range();
    byte[] bytes = Arrays.copyOf(drawn, drawn.length + kept);
    System.arraycopy(original, opened.range(), bytes, drawn.length, kept);
    try {
      ReaderFuzz.refuses(target.name() + ": ", bytes, opened.reader());
    } catch (ReaderFuzz.LimitError e) {
      // Again, for the same reason.
      ReaderFuzz.refuses(target.name() + ": ", bytes, opened.reader());
    }
  }

  /** Called at the end. */
  public static void fuzzerTearDown() throws IOException {
    opened.close();
  }

  private static Path temporary() throws IOException {
    return Files.createTempDirectory("mla4j-fuzz-");
  }

  private static List<FuzzTarget> targets() {
    List<FuzzTarget> targets = new ArrayList<>();
    for (FuzzTarget.Provider provider : ServiceLoader.load(FuzzTarget.Provider.class)) {
      targets.addAll(provider.targets());
    }
    return targets;
  }

  private static FuzzTarget find(String name) {
    return targets().stream()
        .filter(one -> one.name().equals(name))
        .findFirst()
        .orElseThrow(() -> new IllegalArgumentException(name + " is none of " + targets()));
  }
}

package io.mla4j.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.Backends;
import io.mla4j.Batch;
import io.mla4j.Device;
import io.mla4j.LatentCache;
import io.mla4j.Sequence;
import io.mla4j.checkpoint.Checkpoint;
import io.mla4j.checkpoint.CheckpointException;
import io.mla4j.checkpoint.ConfigReader;
import io.mla4j.checkpoint.ModelDescription;
import io.mla4j.checkpoint.WeightTable;
import io.mla4j.testkit.QuickRun;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Weights that somebody changes while they are mapped: the process lives, and nobody gets numbers
 * of half a file. In processes of their own, because what is tested ends them where it fails.
 */
class ChangedFilesTest {
  private static final Path MODEL = Path.of(System.getProperty("mla4j.root"), "models", "tiny-mla");

  @TempDir Path folder;

  static Stream<String> backends() {
    return Backends.list().stream()
        .filter(status -> status.available() && !status.name().equals("cuda"))
        .map(Backends.Status::name)
        .filter(backend -> !QuickRun.leavesOut(backend));
  }

  @ParameterizedTest
  @MethodSource("backends")
  void eachChangeIsToldOrHarmless(String backend) throws Exception {
    // The JVM does not guard reads of its vectors, so a file must not get shorter during a step.
    List<Change> changes = new ArrayList<>(List.of(Change.values()));
    changes.removeIf(change -> backend.equals("vector") && change.duringSteps());
    List<String> lines = run(backend, "map", changes);
    for (int i = 0; i < lines.size(); i++) {
      Change change = changes.get(i);
      String line = lines.get(i);
      assertTrue(line.startsWith(change + ": ") && line.contains(change.told), line);
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void nothingMattersToWhatWasRead(String backend) throws Exception {
    List<Change> changes = List.of(Change.OVERWRITTEN, Change.EMPTIED_DURING_STEPS);
    assertEquals(
        changes.stream().map(change -> change + ": the same").toList(),
        run(backend, "read", changes));
  }

  private List<String> run(String backend, String weights, List<Change> changes) throws Exception {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("--enable-native-access=ALL-UNNAMED", "-Xmx512m"));
    command.addAll(List.of("--add-modules", "jdk.incubator.vector"));
    if (!backend.equals("vector")) {
      command.add("-XX:TieredStopAtLevel=1"); // a short life
    }
    command.add("-XX:ErrorFile=" + folder.resolve("hs_err.log"));
    System.getProperties().stringPropertyNames().stream()
        .filter(name -> name.startsWith("mla4j."))
        .forEach(name -> command.add("-D" + name + "=" + System.getProperty(name)));
    command.add("-Dmla4j.weights=" + weights);
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), Program.class.getName()));
    command.addAll(List.of(folder.toString(), backend));
    changes.forEach(change -> command.add(change.name()));
    ProcessBuilder builder =
        new ProcessBuilder(command).redirectError(folder.resolve("err.txt").toFile());
    Process process = builder.start();
    String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), out + Files.readString(folder.resolve("err.txt")));
    List<String> lines = out.lines().toList();
    assertEquals(changes.size(), lines.size(), out);
    return lines;
  }

  /** What happens to the file, and what is said then. */
  enum Change {
    HALVED("model.safetensors: had "),
    EMPTIED("model.safetensors: had "),
    LONGER("model.safetensors: had "),
    OVERWRITTEN("model.safetensors: was written to since it was opened; "),
    HALVED_DURING_STEPS("model.safetensors: had "),
    EMPTIED_DURING_STEPS("model.safetensors: had "),
    REPLACED("the same"),
    DELETED("the same");

    private final String told;

    Change(String told) {
      this.told = told;
    }

    private boolean duringSteps() {
      return this == HALVED_DURING_STEPS || this == EMPTIED_DURING_STEPS;
    }

    private void make(Path file) throws IOException, InterruptedException {
      long size = Files.size(file);
      switch (this) {
        case HALVED, HALVED_DURING_STEPS -> resize(file, size / 2);
        case EMPTIED, EMPTIED_DURING_STEPS -> resize(file, 0);
        case LONGER -> resize(file, size + 1);
        case OVERWRITTEN -> {
          try (RandomAccessFile open = new RandomAccessFile(file.toFile(), "rw")) {
            open.seek(size / 2);
            open.write(new byte[4096]);
          }
        }
        case REPLACED -> {
          Path other = file.resolveSibling("other");
          Files.write(other, new byte[1000]);
          Files.move(other, file, StandardCopyOption.REPLACE_EXISTING);
        }
        case DELETED -> Files.delete(file);
      }
    }

    private static void resize(Path file, long size) throws IOException {
      try (RandomAccessFile open = new RandomAccessFile(file.toFile(), "rw")) {
        open.setLength(size);
      }
    }
  }

  /** Opens the model anew for each change, makes the change and goes on. */
  static final class Program {
    private Program() {}

    public static void main(String[] args) throws Exception {
      for (String name : List.of(args).subList(2, args.length)) {
        Change change = Change.valueOf(name);
        Path directory = Files.createDirectory(Path.of(args[0]).resolve(change.name()));
        for (String file : List.of("config.json", "model.safetensors")) {
          Files.copy(MODEL.resolve(file), directory.resolve(file));
        }
        System.out.println(change + ": " + meet(change, directory, args[1]));
      }
    }

    private static String meet(Change change, Path directory, String backend) throws Exception {
      ModelDescription model = ConfigReader.read(directory);
      Path file = directory.resolve("model.safetensors");
      try (Checkpoint checkpoint = Checkpoint.open(directory);
          Device device = Backends.open(new Backends.Choice(backend, null, 2));
          Decoder decoder =
              new Decoder(
                  model,
                  WeightTable.resolve(model, checkpoint),
                  device,
                  DecoderOptions.defaults(device, false));
          LatentCache cache = decoder.newCache(1, 2000);
          Sequence sequence = cache.newSequence()) {
        decoder.append(Batch.of(sequence), new int[] {0, 5, 263});
        Thread other =
            new Thread(
                () -> {
                  try {
                    Thread.sleep(20);
                    change.make(file);
                  } catch (IOException | InterruptedException e) {
                    throw new IllegalStateException(e);
                  }
                });
        int length = 0;
        try {
          if (change.duringSteps()) {
            other.start();
            while (sequence.length() < 400) {
              length = sequence.length();
              decoder.forward(Batch.of(sequence), new int[] {7, 8, 9, 10});
            }
            return "the same";
          }
          change.make(file);
          length = sequence.length();
          decoder.logits(
              decoder.forward(Batch.of(sequence), new int[] {7}),
              (_, logits) -> logits.segment().get(java.lang.foreign.ValueLayout.JAVA_FLOAT, 0));
          return "the same";
        } catch (CheckpointException e) {
          if (sequence.length() != length) {
            return "the sequence was changed";
          }
          return e.getMessage();
        } finally {
          other.join();
        }
      }
    }
  }
}

package io.mla4j.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.ClosedException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Reading GGUF files. */
class GgufFileTest {
  private static final int F32 = 0;

  @TempDir private Path directory;

  private static GgufBytes small() {
    return new GgufBytes()
        .text("general.architecture", "deepseek2")
        .u32("deepseek2.block_count", 3)
        .f32("deepseek2.rope.scaling.yarn_log_multiplier", 0.0707f)
        .flag("deepseek2.expert_weights_norm", true)
        .texts("tokenizer.ggml.tokens", "a", "\u00e9", "", "<s>")
        .array("tokenizer.ggml.scores", 6, 2, GgufBytes.floats(-1, 2.5f))
        .array("tokenizer.ggml.token_type", 5, 2, GgufBytes.u32(1), GgufBytes.u32(-1))
        .tensor("a", F32, GgufBytes.floats(1, 2, 3, 4, 5, 6), 3, 2)
        .tensor("b", 8, new byte[34 * 4], 64, 2);
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 3})
  void keysAndTensorsAreRead(int version) {
    Path file = small().version(version).write(directory.resolve("a.gguf"));
    try (Checkpoint checkpoint = Checkpoint.open(file)) {
      GgufMetadata keys = checkpoint.gguf().orElseThrow();
      assertEquals(Optional.of("deepseek2"), keys.text("general.architecture"));
      assertEquals(OptionalInt.of(3), keys.wholeNumber("deepseek2.block_count", 1, 9));
      assertEquals(Optional.of(true), keys.flag("deepseek2.expert_weights_norm"));
      assertEquals(
          Optional.of(List.of("a", "\u00e9", "", "<s>")), keys.texts("tokenizer.ggml.tokens"));
      assertArrayEquals(new float[] {-1, 2.5f}, keys.floats("tokenizer.ggml.scores").get());
      assertArrayEquals(new int[] {1, -1}, keys.ints("tokenizer.ggml.token_type").get());
      assertEquals(OptionalInt.of(4), keys.length("tokenizer.ggml.tokens"));
      assertEquals(Optional.empty(), keys.text("absent"));
      assertEquals(0.0707, keys.json("deepseek2.rope.scaling.yarn_log_multiplier").doubleValue());
      StoredTensor a = checkpoint.get("a");
      assertEquals(List.of(2L, 3L), a.shape());
      assertArrayEquals(new float[] {1, 2, 3, 4, 5, 6}, a.toFloats());
      StoredTensor b = checkpoint.get("b");
      assertEquals(StoredType.Q8_0, b.type());
      assertEquals(128, b.elements());
    }
  }

  @Test
  void aKeyOfAnotherTypeIsNamedWithItsFile() {
    Path file = small().write(directory.resolve("a.gguf"));
    try (Checkpoint checkpoint = Checkpoint.open(file)) {
      GgufMetadata keys = checkpoint.gguf().orElseThrow();
      List<Runnable> wrong =
          List.of(
              () -> keys.text("deepseek2.block_count"),
              () -> keys.wholeNumber("deepseek2.block_count", 4, 5),
              () -> keys.wholeNumber("general.architecture", 0, 5),
              () -> keys.flag("deepseek2.block_count"),
              () -> keys.texts("deepseek2.block_count"),
              () -> keys.texts("tokenizer.ggml.scores"),
              () -> keys.floats("tokenizer.ggml.tokens"),
              () -> keys.length("deepseek2.block_count"),
              () -> keys.ints("tokenizer.ggml.scores"));
      for (Runnable reading : wrong) {
        String message = assertThrows(CheckpointException.class, reading::run).getMessage();
        assertTrue(message.startsWith(file + ": key '"), message);
      }
    }
  }

  @Test
  void closedMeansClosed() {
    Checkpoint checkpoint = Checkpoint.open(small().write(directory.resolve("a.gguf")));
    GgufMetadata keys = checkpoint.gguf().orElseThrow();
    checkpoint.close();
    assertThrows(ClosedException.class, checkpoint::gguf);
    assertThrows(ClosedException.class, () -> keys.text("general.architecture"));
  }

  @Test
  void otherAlignmentsHold() {
    for (int alignment : new int[] {1, 8, 64, 4096}) {
      Path file =
          new GgufBytes()
              .alignment(alignment)
              .u32("general.alignment", alignment)
              .tensor("bytes", 24, new byte[5], 5)
              .tensor("a", F32, GgufBytes.floats(1, 2), 2)
              .write(directory.resolve(alignment + ".gguf"));
      try (Checkpoint checkpoint = Checkpoint.open(file)) {
        assertArrayEquals(new float[] {1, 2}, checkpoint.get("a").toFloats());
        assertEquals(0, checkpoint.get("a").segment().address() % 4);
      }
    }
  }

  /** Three files of one model; a path to any of them opens all. */
  private List<Path> shards(int count) {
    List<Path> files = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      GgufBytes shard = new GgufBytes();
      if (i == 0) {
        shard.text("general.architecture", "deepseek2");
      }
      shard
          .raw("split.no", 2, new byte[] {(byte) i, 0})
          .raw("split.count", 2, new byte[] {(byte) count, 0})
          .raw("split.tensors.count", 5, GgufBytes.u32(count))
          .tensor("t" + i, F32, GgufBytes.floats(i), 1);
      files.add(shard.write(directory.resolve(String.format("m-%05d-of-%05d.gguf", i + 1, count))));
    }
    return files;
  }

  @Test
  void aSplitModelOpensFromEachOfItsFilesAndFromItsDirectory() {
    List<Path> paths = new ArrayList<>(shards(3));
    paths.add(directory);
    for (Path path : paths) {
      try (Checkpoint checkpoint = Checkpoint.open(path)) {
        assertEquals(3, checkpoint.tensors().size());
        assertArrayEquals(new float[] {2}, checkpoint.get("t2").toFloats());
        assertTrue(checkpoint.gguf().orElseThrow().has("general.architecture"));
      }
    }
  }

  @Test
  void aShardThatIsMissingOrAnotherOnesIsNamed() throws IOException {
    List<Path> files = shards(3);
    Files.copy(files.get(1), files.get(2), StandardCopyOption.REPLACE_EXISTING);
    assertRefused(files.get(0), files.get(2) + ": key 'split.no' is 1, but must be 2");
    Files.delete(files.get(2));
    assertRefused(files.get(0), files.get(2) + ": does not exist");
  }

  @Test
  void aDirectoryWithTwoModelsAsksWhich() {
    small().write(directory.resolve("q4.gguf"));
    small().write(directory.resolve("mmproj-f16.gguf"));
    Checkpoint.open(directory).close();
    small().write(directory.resolve("q8.gguf"));
    assertRefused(directory, "q4.gguf, q8.gguf");
  }

  private static void assertRefused(Path path, String detail) {
    String message =
        assertThrows(CheckpointException.class, () -> Checkpoint.open(path).close()).getMessage();
    assertTrue(message.contains(detail), message);
    assertFalse(message.contains("\n"), message);
  }
}

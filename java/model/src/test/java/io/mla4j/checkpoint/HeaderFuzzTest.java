package io.mla4j.checkpoint;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.Mla4jException;
import io.mla4j.testkit.ReaderFuzz;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Given headers of valid files that are changed ({@link ReaderFuzz}), when they are read, then that
 * succeeds or ends in a typed error that begins with the file's name.
 */
class HeaderFuzzTest {
  private static final int TRIES = ReaderFuzz.tries(20_000) / 3;

  @TempDir private Path folder;

  @Test
  void safetensors() throws IOException {
    byte[] original = Files.readAllBytes(golden("v3-f16").resolve("model.safetensors"));
    // The data are cut to a few bytes: what the header says about them is what is looked at.
    int header = 8 + (int) ModelFiles.headerLength(original);
    fuzz("f.safetensors", Arrays.copyOf(original, header + 256), header, HeaderFuzzTest::openFile);
  }

  @Test
  void gguf() throws IOException {
    GgufBytes bytes =
        new GgufBytes()
            .text("general.architecture", "deepseek2")
            .u32("deepseek2.block_count", 1)
            .u32("deepseek2.context_length", 64)
            .u32("deepseek2.embedding_length", 8)
            .f32("deepseek2.rope.freq_base", 10000)
            .flag("deepseek2.expert_weights_norm", true)
            .texts("tokenizer.ggml.tokens", "a", "b", "ab", "\u00e9")
            .array("tokenizer.ggml.scores", 6, 3, GgufBytes.floats(0, 1, 2))
            .u32("general.alignment", 32)
            .tensor("token_embd.weight", 0, new byte[128], 8, 4)
            .tensor("output_norm.weight", 0, new byte[32], 8)
            .tensor("blk.0.attn_q.weight", 8, new byte[68], 32, 2);
    byte[] original = bytes.bytes();
    fuzz("f.gguf", original, original.length - 192, HeaderFuzzTest::openModel);
  }

  @Test
  void config() throws IOException {
    byte[] original = Files.readAllBytes(golden("kimi-k2").resolve("config.json"));
    fuzz("config.json", original, original.length, file -> ConfigReader.read(file.getParent()));
  }

  private static Path golden(String name) {
    return GoldenCheckpointsTest.GOLDEN.resolve(name);
  }

  private static void openFile(Path file) {
    Checkpoint.openFile(file).close();
  }

  private static void openModel(Path file) {
    try (Checkpoint checkpoint = Checkpoint.open(file)) {
      GgufMetadata keys = checkpoint.gguf().orElseThrow();
      keys.keys().forEach(keys::json);
      WeightTable.resolve(ConfigReader.read(checkpoint), checkpoint);
    }
  }

  private void fuzz(String name, byte[] original, int range, Consumer<Path> reading) {
    Path file = folder.resolve(name);
    new ReaderFuzz(name)
        .run(
            original,
            range,
            TRIES,
            bytes -> {
              Files.write(file, bytes);
              try {
                reading.accept(file);
              } catch (Mla4jException e) {
                assertTrue(e.getMessage().startsWith(file.toString()), e.getMessage());
                throw e;
              }
            });
  }
}

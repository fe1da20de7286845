package io.mla4j.checkpoint;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.Mla4jException;
import io.mla4j.testkit.FuzzTarget;
import io.mla4j.testkit.ReaderFuzz;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Given headers of valid files that are changed ({@link ReaderFuzz}), when they are read, then that
 * succeeds or ends in a typed error that begins with the file's name.
 */
class HeaderFuzzTest {
  private static final int TRIES = ReaderFuzz.tries(20_000) / 3;
  private static final FuzzTarget SAFETENSORS =
      new FuzzTarget("safetensors", HeaderFuzzTest::openSafetensors);
  private static final FuzzTarget GGUF = new FuzzTarget("gguf", HeaderFuzzTest::openGguf);
  private static final FuzzTarget CONFIG = new FuzzTarget("config", HeaderFuzzTest::openConfig);

  /** What is fuzzed here. */
  public static final class Targets implements FuzzTarget.Provider {
    @Override
    public List<FuzzTarget> targets() {
      return List.of(SAFETENSORS, GGUF, CONFIG);
    }
  }

  @Test
  void safetensors(@TempDir Path folder) throws IOException {
    ReaderFuzz.run(SAFETENSORS, folder, TRIES);
  }

  @Test
  void gguf(@TempDir Path folder) throws IOException {
    ReaderFuzz.run(GGUF, folder, TRIES);
  }

  @Test
  void config(@TempDir Path folder) throws IOException {
    ReaderFuzz.run(CONFIG, folder, TRIES);
  }

  private static FuzzTarget.Opened openSafetensors(Path folder) throws IOException {
    byte[] original = Files.readAllBytes(golden("v3-f16").resolve("model.safetensors"));
    // The data are cut to a few bytes: what the header says about them is what is looked at.
    int header = 8 + (int) ModelFiles.headerLength(original);
    return FuzzTarget.Opened.of(
        Arrays.copyOf(original, header + 256),
        header,
        file(folder.resolve("f.safetensors"), HeaderFuzzTest::openFile));
  }

  private static FuzzTarget.Opened openGguf(Path folder) {
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
    return FuzzTarget.Opened.of(
        original, original.length - 192, file(folder.resolve("f.gguf"), HeaderFuzzTest::openModel));
  }

  private static FuzzTarget.Opened openConfig(Path folder) throws IOException {
    byte[] original = Files.readAllBytes(golden("kimi-k2").resolve("config.json"));
    return FuzzTarget.Opened.of(
        original, file(folder.resolve("config.json"), file -> ConfigReader.read(file.getParent())));
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

  private static FuzzTarget.Reader file(Path file, Consumer<Path> reading) {
    return bytes -> {
      Files.write(file, bytes);
      try {
        reading.accept(file);
      } catch (Mla4jException e) {
        assertTrue(e.getMessage().startsWith(file.toString()), e.getMessage());
        throw e;
      }
    };
  }
}

package io.mla4j.checkpoint;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.Mla4jException;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Files with a few random bytes changed: reading them succeeds or ends in a typed error, never in
 * anything else.
 */
class MutatedModelsTest {
  private static final int TRIES = 120;

  /** Characters that mean something in JSON. */
  private static final String SYNTAX = "{}[]\",:0123456789-.eEtfn\\ ";

  @ParameterizedTest
  @CsvSource({
    "v3-f16, model.safetensors",
    "v3-f16, config.json",
    "v2-grouped, config.json",
    "v3-sharded, model.safetensors.index.json",
    "v3-sharded, model-00002-of-00003.safetensors"
  })
  void onlyTypedErrors(String base, String file, @TempDir Path directory) {
    ModelFiles files = ModelFiles.copyOf(base, directory.resolve("model"));
    mutate(files, file, TRIES);
  }

  @ParameterizedTest
  @CsvSource({"tokenizer.json", "tokenizer_config.json", "generation_config.json"})
  void onlyTypedErrorsBesideTheWeights(String file, @TempDir Path directory) {
    ModelFiles files = ModelFiles.copyOf("v3-f16", directory.resolve("model"));
    ModelFiles tiny = new ModelFiles(GoldenCheckpointsTest.TINY_MLA);
    files.write("tokenizer.json", tiny.read("tokenizer.json"));
    files.write("tokenizer_config.json", tiny.read("tokenizer_config.json"));
    files.write("generation_config.json", tiny.read("generation_config.json"));
    mutate(files, file, 40);
  }

  private static void mutate(ModelFiles files, String file, int tries) {
    byte[] original = files.read(file);
    // in weights only the header decides about reading
    int range =
        file.endsWith(".safetensors")
            ? 8 + (int) ModelFiles.headerLength(original)
            : original.length;
    long seed = System.nanoTime();
    Random random = new Random(seed);
    int refused = 0;
    for (int n = 0; n < tries; n++) {
      byte[] changed = original.clone();
      int count = 1 + random.nextInt(4);
      for (int i = 0; i < count; i++) {
        int at = random.nextInt(range);
        changed[at] =
            random.nextInt(4) == 0
                ? (byte) random.nextInt(256)
                : (byte) SYNTAX.charAt(random.nextInt(SYNTAX.length()));
      }
      files.write(file, changed);
      try {
        files.open();
      } catch (Mla4jException e) {
        refused++;
        assertFalse(e.getMessage().contains("\n"), "seed " + seed + ": " + e.getMessage());
      } catch (Throwable e) {
        throw new AssertionError(file + ", seed " + seed + ", try " + n, e);
      }
    }
    assertTrue(refused > 0, "seed " + seed);
  }
}

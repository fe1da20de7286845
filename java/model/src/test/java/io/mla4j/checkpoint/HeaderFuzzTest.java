package io.mla4j.checkpoint;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import io.mla4j.Mla4jException;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Headers of valid files with bytes changed, taken away, put in and copied elsewhere: reading them
 * succeeds or ends in a typed error of one line, within two seconds of processor time (a machine
 * may do other work meanwhile) and 64 MiB. {@code -Dmla4j.fuzz=1000000} asks for so many changes,
 * {@code -Dmla4j.fuzz.seed} for the same ones again.
 */
class HeaderFuzzTest {
  private static final int USUAL = Boolean.getBoolean("mla4j.test.quick") ? 2_000 : 20_000;
  private static final int TRIES = Integer.getInteger("mla4j.fuzz", USUAL) / 3;
  private static final long SEED = Long.getLong("mla4j.fuzz.seed", System.nanoTime());
  private static final long MAX_NANOS = 2_000_000_000L;
  private static final long MAX_BYTES = 64L << 20;
  private static final String SYNTAX = "{}[]\",:0123456789-.eEtfn\\ ";

  /** What a reader of counts and lengths may stumble over. */
  private static final long[] NUMBERS = {
    0, 1, 31, 255, 1 << 16, 1L << 31, (1L << 32) - 1, 1L << 40, Long.MAX_VALUE, Long.MIN_VALUE, -1
  };

  private final Random random = new Random(SEED);
  private final ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();

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

  private void fuzz(String name, byte[] original, int range, Consumer<Path> reading)
      throws IOException {
    Path file = folder.resolve(name);
    for (int n = 0; n < TRIES; n++) {
      Files.write(file, changed(original, range));
      long begin = threads.getCurrentThreadCpuTime();
      long before = threads.getCurrentThreadAllocatedBytes();
      String what = name + ", seed " + SEED + ", try " + n;
      try {
        reading.accept(file);
      } catch (Mla4jException e) {
        assertTrue(e.getMessage().indexOf('\n') < 0, what + ": " + e.getMessage());
        assertTrue(e.getMessage().startsWith(file.toString()), what + ": " + e.getMessage());
      } catch (Throwable e) {
        throw new AssertionError(what, e);
      }
      long allocated = threads.getCurrentThreadAllocatedBytes() - before;
      assertTrue(allocated < MAX_BYTES, what + ": " + allocated + " bytes");
      long took = threads.getCurrentThreadCpuTime() - begin;
      assertTrue(took < MAX_NANOS, what + ": took more than 2 s");
    }
  }

  private byte[] changed(byte[] original, int range) {
    byte[] bytes = original.clone();
    for (int i = 1 + random.nextInt(4); i > 0; i--) {
      int at = random.nextInt(range);
      switch (random.nextInt(7)) {
        case 0 -> bytes[at] = (byte) random.nextInt(256);
        case 1 -> bytes[at] = (byte) SYNTAX.charAt(random.nextInt(SYNTAX.length()));
        case 2 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
        case 3 -> {
          byte[] number = GgufBytes.u64(NUMBERS[random.nextInt(NUMBERS.length)]);
          System.arraycopy(number, 0, bytes, at, Math.min(8, bytes.length - at));
        }
        case 4 -> {
          int from = random.nextInt(range);
          int length = Math.min(random.nextInt(32), bytes.length - Math.max(at, from));
          System.arraycopy(bytes, from, bytes, at, length);
        }
        case 5 -> { // a few bytes are missing
          int gone = Math.min(random.nextInt(16), bytes.length - at - 1);
          System.arraycopy(bytes, at + gone, bytes, at, bytes.length - at - gone);
          bytes = Arrays.copyOf(bytes, bytes.length - gone);
          range = Math.max(1, range - gone);
        }
        default -> { // the file ends early
          if (random.nextInt(8) == 0) {
            bytes = Arrays.copyOf(bytes, Math.max(1, at));
            range = bytes.length;
          }
        }
      }
    }
    return bytes;
  }
}

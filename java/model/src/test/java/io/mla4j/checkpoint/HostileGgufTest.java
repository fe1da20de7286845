package io.mla4j.checkpoint;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** GGUF files that are not what they say: each is refused in one line that names what is wrong. */
class HostileGgufTest {
  private static final int F32 = 0;
  private static final int ARRAY = GgufType.ARRAY.ordinal();
  private static final int STRING = GgufType.STRING.ordinal();
  private static final String D = "deepseek2.";

  /**
   * One file.
   *
   * @param detail what the message must name
   */
  private record Case(String name, byte[] bytes, String detail) {
    @Override
    public String toString() {
      return name;
    }
  }

  private static Case file(String name, GgufBytes bytes, String detail) {
    return new Case(name, bytes.bytes(), detail);
  }

  private static Case key(String name, int type, byte[] value, String detail) {
    return file(name, model().raw("k", type, value), detail);
  }

  private static byte[] join(byte[]... parts) {
    byte[] all = new byte[Arrays.stream(parts).mapToInt(part -> part.length).sum()];
    int at = 0;
    for (byte[] part : parts) {
      System.arraycopy(part, 0, all, at, part.length);
      at += part.length;
    }
    return all;
  }

  private static byte[] cut(GgufBytes bytes, int off) {
    byte[] all = bytes.bytes();
    return Arrays.copyOf(all, all.length - off);
  }

  /** A deepseek2 file whose keys are complete and that has one tensor. */
  private static GgufBytes model() {
    return keys(new GgufBytes().text("general.architecture", "deepseek2"));
  }

  private static GgufBytes keys(GgufBytes bytes) {
    return bytes
        .u32(D + "block_count", 1)
        .u32(D + "context_length", 64)
        .u32(D + "embedding_length", 8)
        .u32(D + "feed_forward_length", 8)
        .u32(D + "attention.head_count", 2)
        .u32(D + "attention.kv_lora_rank", 8)
        .u32(D + "attention.key_length_mla", 8)
        .u32(D + "attention.value_length_mla", 4)
        .u32(D + "rope.dimension_count", 4)
        .f32(D + "attention.layer_norm_rms_epsilon", 1e-5f)
        .tensor("token_embd.weight", F32, new byte[128], 8, 4);
  }

  static Stream<Case> cases() {
    return Stream.of(starts(), values(), tensors(), shards(), models()).flatMap(List::stream);
  }

  private static List<Case> starts() {
    long most = Long.MIN_VALUE; // 2^63
    return List.of(
        new Case("empty", new byte[0], "is truncated"),
        new Case("magic alone", "GGUF".getBytes(StandardCharsets.US_ASCII), "is truncated"),
        file("other magic", model().magic(0x46554748), "must begin with GGUF"),
        file("version 1", model().version(1), "has version 1"),
        file("version 4", model().version(4), "has version 4"),
        file("big-endian", model().version(3 << 24), "big-endian"),
        file("2^63 tensors", model().counts(most, 1), "tensor count has a count of 9223372036854"),
        file("2^63 keys", model().counts(1, most), "key count has a count of 9223372036854775808"),
        file(
            "2^64 - 1 keys",
            model().counts(1, -1),
            "key count has a count of 18446744073709551615"),
        file("more tensors than bytes", model().counts(1 << 20, 1), "tensor count"),
        file(
            "fewer keys than there are", model().counts(1, 2), "tensor 'deepseek2.context_length'"),
        file("a tensor too many", model().counts(2, 11), "tensor"));
  }

  private static List<Case> values() {
    byte[] one = GgufBytes.u64(1);
    byte[] deep = join(GgufBytes.u32(ARRAY), one, GgufBytes.u32(ARRAY), one, GgufBytes.u32(0));
    return List.of(
        key("string beyond the file", STRING, GgufBytes.u64(1 << 20), "key 'k' needs 1048576"),
        key("string of 2^63", STRING, GgufBytes.u64(Long.MIN_VALUE), "9223372036854775808"),
        key("type 13", 13, new byte[8], "key 'k' has a value of type 13"),
        key("type 2^32 - 1", -1, new byte[8], "has a value of type 4294967295"),
        key("nested arrays", ARRAY, deep, "key 'k' is an array of arrays"),
        key("array of type 99", ARRAY, join(GgufBytes.u32(99), one), "of type 99"),
        key(
            "array of 2^63 bytes",
            ARRAY,
            join(GgufBytes.u32(0), GgufBytes.u64(Long.MIN_VALUE)),
            "key 'k' has a count of 9223372036854775808"),
        key(
            "array of 2^61 numbers",
            ARRAY,
            join(GgufBytes.u32(10), GgufBytes.u64(1L << 61)),
            "key 'k' has a count of 2305843009213693952"),
        key(
            "array of strings that ends early",
            ARRAY,
            join(GgufBytes.u32(STRING), GgufBytes.u64(3), GgufBytes.u64(1 << 30)),
            "key 'k' needs"),
        key("flag of 2", GgufType.BOOL.ordinal(), new byte[] {2}, "key 'k' has 2 for a flag"),
        key("flag of 255", GgufType.BOOL.ordinal(), new byte[] {-1}, "key 'k' has 255 for a flag"),
        file("key twice", model().u32("k", 1).u32("k", 1), "key 'k' is there twice"),
        file(
            "key that is no UTF-8",
            model().raw(new byte[] {(byte) 0xC3, 0x28}, 0, new byte[1]),
            "is not valid UTF-8"),
        file("key of 64 KiB", model().u32("k".repeat(1 << 16), 1), "has 65536 bytes"),
        file("alignment 0", model().u32("general.alignment", 0), "key 'general.alignment' is 0"),
        file("alignment 48", model().u32("general.alignment", 48), "'general.alignment' is 48"),
        file("alignment 2^31", model().u32("general.alignment", 1 << 31), "is 2147483648"),
        file("alignment as a text", model().text("general.alignment", "32"), "is STRING"));
  }

  private static GgufBytes info(long offset, int type, long... dimensions) {
    return model().info("t", type, offset, dimensions);
  }

  private static List<Case> tensors() {
    return List.of(
        file("offset misaligned", info(8, F32, 4), "tensor 't' begins at 8"),
        file("offset of 2^63", info(Long.MIN_VALUE, F32, 4), "begins at 9223372036854775808"),
        file("offset beyond the file", info(1 << 20, F32, 4), "tensor 't' has 16 bytes"),
        file("overlap", info(96, F32, 8), "overlaps tensor 't"),
        file("same place", info(0, F32, 8), "overlaps"),
        file("tensor twice", model().info("token_embd.weight", F32, 128, 1), "there twice"),
        file("no dimensions", info(128, F32), "has 0 dimensions"),
        file("five dimensions", info(128, F32, 1, 1, 1, 1, 1), "has 5 dimensions"),
        file("dimension 0", info(128, F32, 0), "has a dimension of 0"),
        file("dimension of 2^63", info(128, F32, Long.MIN_VALUE), "9223372036854775808"),
        file("product overflows", info(128, F32, 1L << 40, 1L << 40), "whose product overflows"),
        file("bytes overflow", info(128, F32, 1L << 62), "whose size overflows"),
        file("type 4, which was removed", info(128, 4, 32), "tensor 't' has type 4"),
        file("type 1000", info(128, 1000, 32), "tensor 't' has type 1000"),
        file("type 2^32 - 1", info(128, -1, 32), "has type 4294967295"),
        file("row of half a block", info(128, 8, 48), "rows of 48 elements"),
        file("row of 128 in Q4_K", info(128, 12, 128, 2), "no whole blocks of 256"),
        file("name of 2 KiB", model().info("t".repeat(2048), F32, 0, 1), "has 2048 bytes"),
        new Case("data truncated", cut(model(), 1), "'token_embd.weight' has 128 bytes"),
        new Case("infos truncated", cut(model(), 170), "is truncated"));
  }

  private static List<Case> shards() {
    return List.of(
        file(
            "one of several by its keys alone",
            model().raw("split.count", 2, new byte[] {3, 0}),
            "key 'split.count' is 3"),
        file(
            "count of shards as a text",
            model().text("split.count", "3"),
            "key 'split.count' is STRING"));
  }

  private static Case bad(String name, GgufBytes more, String detail) {
    return file(name, keys(more), detail);
  }

  private static GgufBytes deepseek() {
    return new GgufBytes().text("general.architecture", "deepseek2");
  }

  private static List<Case> models() {
    return List.of(
        file("no architecture", keys(new GgufBytes()), "key 'general.architecture' is missing"),
        bad(
            "architecture that is not known",
            new GgufBytes().text("general.architecture", "gemma"),
            "key 'general.architecture' is 'gemma', which is not supported"),
        bad(
            "architecture as a path",
            new GgufBytes().text("general.architecture", "../gguf/deepseek2"),
            "key 'general.architecture'"),
        bad(
            "architecture as a number",
            new GgufBytes().u32("general.architecture", 2),
            "key 'general.architecture' is UINT32"),
        bad(
            "factor as a text",
            deepseek().text(D + "expert_weights_scale", "2"),
            "key 'deepseek2.expert_weights_scale' is '2'"),
        bad(
            "flag as a number",
            deepseek().u32(D + "expert_weights_norm", 1),
            "key 'deepseek2.expert_weights_norm' is 1"),
        bad(
            "theta that is no number",
            deepseek().f32(D + "rope.freq_base", Float.NaN),
            "key 'deepseek2.rope.freq_base' is"),
        bad(
            "vocabulary in the place of a number",
            deepseek().texts(D + "expert_count", "a", "b"),
            "key 'deepseek2.expert_count'"),
        bad(
            "more layers for further tokens than layers",
            deepseek().u32(D + "nextn_predict_layers", 2),
            "key 'deepseek2.block_count' is -1"),
        bad(
            "gating that is not known",
            deepseek().u32(D + "expert_count", 4).u32(D + "expert_gating_func", 9),
            "key 'deepseek2.expert_gating_func' is 9"),
        bad(
            "key that changes the model",
            deepseek().f32(D + "attention.clamp_kqv", 8),
            "key 'deepseek2.attention.clamp_kqv' is 8"),
        file(
            "type that cannot be computed with",
            model().tensor("output_norm.weight", 34, new byte[54], 256),
            "'output_norm.weight' has"),
        file("no tensors of the layer", model(), "'output_norm.weight' is missing"));
  }

  private static void open(Path file) {
    try (Checkpoint checkpoint = Checkpoint.open(file)) {
      WeightTable.resolve(ConfigReader.read(checkpoint), checkpoint);
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void isRefusedInOneLine(Case hostile, @TempDir Path directory) throws Exception {
    Path file = Files.write(directory.resolve("model.gguf"), hostile.bytes);
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    String message =
        assertTimeoutPreemptively(
            Duration.ofSeconds(20),
            () -> {
              long before = threads.getCurrentThreadAllocatedBytes();
              CheckpointException e = assertThrows(CheckpointException.class, () -> open(file));
              long allocated = threads.getCurrentThreadAllocatedBytes() - before;
              assertTrue(allocated < 64_000_000, "allocated " + allocated + " bytes");
              return e.getMessage();
            });
    assertTrue(message.startsWith(file + ": "), message);
    assertTrue(message.contains(hostile.detail), message);
    assertFalse(message.contains("\n"), message);
    assertTrue(message.length() < 1000, message);
  }

  @Test
  void thereAreMany() {
    assertTrue(cases().count() >= 60, "cases " + cases().count());
  }

  /** The last of three files ends early. */
  @Test
  void aTruncatedLastShardIsNamed(@TempDir Path directory) throws Exception {
    for (int i = 0; i < 3; i++) {
      byte[] bytes =
          new GgufBytes()
              .text("general.architecture", "deepseek2")
              .raw("split.no", 2, new byte[] {(byte) i, 0})
              .raw("split.count", 2, new byte[] {3, 0})
              .tensor("t" + i, F32, new byte[64], 16)
              .bytes();
      Files.write(
          directory.resolve("m-0000" + (i + 1) + "-of-00003.gguf"),
          Arrays.copyOf(bytes, bytes.length - (i == 2 ? 5 : 0)));
    }
    String message = assertThrows(CheckpointException.class, () -> open(directory)).getMessage();
    assertTrue(message.contains("m-00003-of-00003.gguf: tensor 't2' has 64 bytes"), message);
    assertTrue(message.contains("it is truncated"), message);
  }
}

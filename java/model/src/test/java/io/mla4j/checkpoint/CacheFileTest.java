package io.mla4j.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.mla4j.Batch;
import io.mla4j.CacheType;
import io.mla4j.Device;
import io.mla4j.InvalidArgumentException;
import io.mla4j.LatentCache;
import io.mla4j.LatentLayout;
import io.mla4j.Sequence;
import io.mla4j.Step;
import io.mla4j.cpu.ScalarBackend;
import io.mla4j.spi.Backend;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Cached tokens in a file, and what of a file is refused. */
class CacheFileTest {
  private static final Map<String, String> MODEL = Map.of("family", "a");
  private static final String NAME = "tokens";

  @TempDir private Path folder;

  private final Device device = new ScalarBackend().open(new Backend.Options(1, null));
  private final LatentCache cache =
      LatentCache.builder(device)
          .layout(new LatentLayout(32, 2, CacheType.INT8))
          .layers(2)
          .pageSize(4)
          .pages(6)
          .build();

  @AfterEach
  void close() {
    cache.close();
    device.close();
  }

  private Path save(int[] ids, float[] logits) {
    Path file = folder.resolve(NAME);
    try (Sequence sequence = cache.newSequence()) {
      try (Step step = Batch.of(sequence).reserve(ids.length)) {
        step.commit();
      }
      CacheFile.save(file, sequence, new CacheFile.Text(ids, logits), MODEL);
    }
    return file;
  }

  @Test
  void idsAndLogitsComeBack() {
    Path file = save(new int[] {3, 1, 4, 1, 5}, new float[] {1, -2});
    assertEquals(5, CacheFile.tokens(file));
    CacheFile.Loaded loaded = CacheFile.load(file, cache, MODEL);
    assertEquals(5, loaded.sequence().length());
    assertArrayEquals(new int[] {3, 1, 4, 1, 5}, loaded.text().ids());
    assertArrayEquals(new float[] {1, -2}, loaded.text().logits());
    loaded.sequence().close();
    save(new int[] {7}, null);
    loaded = CacheFile.load(file, cache, MODEL);
    assertArrayEquals(new int[] {7}, loaded.text().ids());
    assertNull(loaded.text().logits());
    loaded.sequence().close();
  }

  @Test
  void idsAreAsManyAsTheTokens() {
    try (Sequence sequence = cache.newSequence()) {
      CacheFile.Text text = new CacheFile.Text(new int[2], null);
      String message =
          assertThrows(
                  InvalidArgumentException.class,
                  () -> CacheFile.save(folder.resolve(NAME), sequence, text, MODEL))
              .getMessage();
      assertEquals("ids has 2 ids, but the sequence has 0 tokens", message);
    }
  }

  @Test
  void everyByteCounts() throws Exception {
    Path file = save(new int[] {3, 1, 4}, new float[] {1, -2});
    byte[] whole = Files.readAllBytes(file);
    for (int i = 8 + (int) ModelFiles.headerLength(whole); i < whole.length; i += 13) {
      byte[] altered = whole.clone();
      altered[i] ^= 16;
      Files.write(file, altered);
      String message =
          assertThrows(CheckpointException.class, () -> CacheFile.load(file, cache, MODEL))
              .getMessage();
      assertTrue(message.endsWith("the file was altered"), message);
      assertEquals(6, cache.freePages());
    }
  }

  private void assertRefused(Consumer<ObjectNode> change, String detail) {
    Path file = save(new int[] {3, 1, 4}, new float[] {1, -2});
    new ModelFiles(folder).header(NAME, change);
    String message =
        assertThrows(CheckpointException.class, () -> CacheFile.load(file, cache, MODEL))
            .getMessage();
    assertTrue(message.contains(detail), message);
    assertEquals(6, cache.freePages(), "pages of a file that was refused");
  }

  private static ObjectNode at(ObjectNode header, String name) {
    return (ObjectNode) header.get(name);
  }

  /** Checksums do not help against a header that says something else of the same bytes. */
  @Test
  void tensorsHaveTheTypeThatTheyMustHave() {
    assertRefused(
        header -> at(header, "logits").put("dtype", "U8").putArray("shape").add(8),
        "'logits' must be a list of F32");
    assertRefused(
        header -> at(header, "logits").putArray("shape").add(1).add(2),
        "'logits' must be a list of F32");
    assertRefused(header -> at(header, "ids").put("dtype", "F32"), "'ids' must be a list of I32");
    assertRefused(
        header -> at(header, "ids").putArray("shape").add(3).add(1), "'ids' must be a list of I32");
    assertRefused(
        header -> at(header, "rows.0.1").put("dtype", "I8"), "'rows.0.1' is I8 [3, 64], but must");
  }

  @Test
  void keysAndChecksumsAreThoseOfTheCacheAndTheModel() {
    assertRefused(
        header -> at(header, "__metadata__").put("model.family", "b"),
        "key 'model.family' is 'b', but must be 'a'");
    assertRefused(
        header -> at(header, "__metadata__").remove("version"), "key 'version' is missing");
    assertRefused(
        header -> at(header, "__metadata__").put("crc32c.ids", "00000000"),
        "its header says '00000000'");
    assertRefused(
        header -> at(header, "__metadata__").remove("crc32c.rows.0.1"), "'rows.0.1' has checksum");
    assertRefused(
        header -> at(header, "__metadata__").put("crc32c.other", ""), "key 'crc32c.other'");
    assertRefused(header -> at(header, "__metadata__").put("more", ""), "key 'more' has no place");
    assertRefused(
        header -> {
          header.set("rows.0.2", header.remove("rows.0.1"));
          at(header, "__metadata__").remove("crc32c.rows.0.1");
        },
        "tensor 'rows.0.2' has no place");
    assertRefused(header -> at(header, "__metadata__").put("tokens", "4"), "key 'tokens' is '4'");
  }
}

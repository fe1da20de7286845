package io.mla4j.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.AttentionForm;
import io.mla4j.Backends;
import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.InvalidArgumentException;
import io.mla4j.LatentCache;
import io.mla4j.checkpoint.Checkpoint;
import io.mla4j.checkpoint.ConfigReader;
import io.mla4j.checkpoint.GoldenCheckpointsTest;
import io.mla4j.checkpoint.ModelDescription;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Cache sizes of published models, as their reports state them. */
class CacheMemoryTest {
  /** Bytes of 64 + 16 numbers: rows of whole lines, and scales behind them. */
  private static final Map<CacheType, Long> STORED_ROW =
      Map.of(
          CacheType.F32, 320L,
          CacheType.BF16, 192L,
          CacheType.INT8, 128L + 4,
          CacheType.FP8, 128L + 4,
          CacheType.INT4, 64L + 2 * 2);

  @ParameterizedTest
  @CsvSource({
    "DeepSeek-V2-Lite, 1152, 31104, 10240, 8.89",
    "Moonlight, 1152, 31104, 10240, 8.89",
    "DeepSeek-V2, 1152, 69120, 81920, 71.11",
    "DeepSeek-V3, 1152, 70272, 81920, 71.11",
    "Kimi-K2, 1152, 70272, 40960, 35.56",
    "MiniCPM3, 576, 35712, 12800, 22.22",
    "GLM-4.7-Flash, 1152, 54144, 20480, 17.78",
    "GLM-5, 1152, 89856, 65536, 56.89",
    "Youtu, 1152, 36864, 10240, 8.89"
  })
  void publishedModels(String name, long layer, long token, long expanded, double ratio) {
    List<CacheMemory.Row> rows = KnownModel.named(name).orElseThrow().memory().rows(1000, 3);
    CacheMemory.Row mha = rows.get(0);
    CacheMemory.Row mla = rows.get(3);
    assertEquals("MHA", mha.form());
    assertEquals("MLA", mla.form());
    assertEquals(layer, mla.bytesPerLayer());
    assertEquals(token, mla.bytesPerToken());
    assertEquals(token * 3000, mla.bytes());
    assertEquals(expanded, mha.bytesPerLayer());
    assertEquals(ratio, (double) mha.bytes() / mla.bytes(), 0.005);
  }

  /** Latent rows, their scales, and an indexer's keys; pages of 64 tokens end with whole lines. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "v3-yarn",
        "longcat-flash",
        "kimi-linear",
        "v32-sparse",
        "glm-moe-dsa",
        "qwen2-gqa"
      })
  void aTokenTakesWhatItsPageTakes(String name) {
    Golden golden = Golden.read(name);
    for (CacheType type : CacheType.all()) {
      var options = new DecoderOptions(ComputeType.F32, type, AttentionForm.AUTO, 64, 64);
      try (Device device = Backends.open(new Backends.Choice("scalar", null, 1));
          Checkpoint checkpoint = Checkpoint.open(golden.directory());
          Decoder decoder = GoldenLogitsTest.open(golden, checkpoint, device, options);
          LatentCache cache = decoder.newCache(1, 64)) {
        assertEquals(
            cache.pageBytes(), 64 * decoder.model().cacheBytesPerToken(type), name + " " + type);
      }
    }
  }

  @Test
  void groupsAndSingleHeads() {
    List<CacheMemory.Row> rows = KnownModel.DEEPSEEK_V2.memory().rows(1, 1);
    assertEquals("GQA", rows.get(1).form());
    assertEquals(8 * 320 * 2, rows.get(1).bytesPerLayer());
    assertEquals("MQA", rows.get(2).form());
    assertEquals(320 * 2, rows.get(2).bytesPerLayer());
  }

  @Test
  void storedRowsArePadded() {
    List<CacheMemory.Row> rows =
        CacheMemory.of(ConfigReader.read(GoldenCheckpointsTest.TINY_MLA)).rows(1, 1);
    assertEquals(80 * 2, rows.get(3).bytesPerLayer());
    assertEquals(6 * 80 * 2, rows.get(3).bytesPerToken());
    for (CacheMemory.Row row : rows.subList(4, rows.size())) {
      assertTrue(row.padded());
      assertEquals(STORED_ROW.get(row.type()), row.bytesPerLayer(), row.type().name());
    }
    assertEquals(4 + CacheType.all().size(), rows.size());
  }

  @ParameterizedTest
  @CsvSource({"llama-mha, MHA, 4, 4", "qwen2-gqa, GQA, 2, 4", "llama-mqa, MQA, 1, 4"})
  void modelsThatCacheKeysAndValues(String name, String form, int groups, int heads) {
    ModelDescription model = ConfigReader.read(Golden.directory(name));
    int width = model.grouped().orElseThrow().width();
    int layers = model.layers().size();
    List<CacheMemory.Row> rows = CacheMemory.of(model).rows(1, 1);
    assertEquals(2L * 2 * heads * width, rows.get(0).bytesPerLayer());
    assertEquals(2L * 2 * width, rows.get(2).bytesPerLayer());
    assertEquals(3 + CacheType.all().size(), rows.size(), "there is no latent");
    for (CacheMemory.Row row : rows.subList(3, rows.size())) {
      assertEquals(form, row.form());
      assertEquals(model.cacheBytesPerLayer(row.type()), row.bytesPerLayer());
      assertEquals(model.cacheBytesPerToken(row.type()), layers * row.bytesPerLayer());
    }
    assertEquals(groups, CacheMemory.of(model).stored().rows());
  }

  @Test
  void whatFitsIntoADevice() {
    CacheMemory memory = KnownModel.DEEPSEEK_V3.memory();
    long device = 24L << 30;
    List<CacheMemory.Fit> fits = memory.fits(device, 32768, 100);
    CacheMemory.Fit mha = fits.getFirst();
    long each = 2L * 128 * 320 * 61;
    assertEquals(device / each, mha.longest());
    assertEquals(0, mha.sequences(), "not one");
    assertEquals(Math.ceilDiv(each * 32768 * 100, device), mha.devices());
    CacheMemory.Fit mla =
        fits.stream()
            .filter(fit -> fit.row().type() == CacheType.BF16 && fit.row().padded())
            .findFirst()
            .orElseThrow();
    assertEquals(70272, mla.row().bytesPerToken());
    assertEquals(device / (64 * 70272) * 64, mla.longest(), "whole pages");
    assertEquals(device / (70272L * 32768), mla.sequences());
    assertEquals(Math.ceilDiv(70272L * 32768 * 100, device), mla.devices());
    assertTrue(mha.devices() > 60 * mla.devices());
    assertTrue(
        memory.fits(device, 32767, 1).stream()
            .filter(fit -> fit.row().padded())
            .allMatch(fit -> fit.sequences() == device / (32768 * fit.row().bytesPerToken())));
    assertThrows(InvalidArgumentException.class, () -> memory.fits(0, 1, 1));
  }

  @Test
  void namesInAnyForm() {
    assertEquals(Optional.of(KnownModel.DEEPSEEK_V3), KnownModel.named("v3"));
    assertEquals(Optional.of(KnownModel.DEEPSEEK_V2_LITE), KnownModel.named("deepseek_v2_lite"));
    assertEquals(Optional.of(KnownModel.GLM_4_7_FLASH), KnownModel.named("glm-4.7-flash"));
    assertEquals(Optional.empty(), KnownModel.named("llama"));
  }

  @Test
  void badArgumentsAreNamed() {
    CacheMemory memory = KnownModel.YOUTU.memory();
    assertTrue(
        assertThrows(InvalidArgumentException.class, () -> memory.rows(0, 1))
            .getMessage()
            .contains("context"));
    assertTrue(
        assertThrows(InvalidArgumentException.class, () -> memory.rows(1, -1))
            .getMessage()
            .contains("batch"));
    assertThrows(InvalidArgumentException.class, () -> memory.rows(Long.MAX_VALUE / 4, 8));
  }
}

package io.mla4j.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.mla4j.CacheType;
import io.mla4j.bench.AttentionGrid.Phase;
import io.mla4j.bench.AttentionGrid.Residency;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

/** Tiny runs: which rows they give, what a row has, and that results are checked. */
class AttentionBenchTest {
  private static final Settings TINY = new Settings(2, 0, 0, true, false, 4 << 20, 8 << 20);

  private static AttentionGrid grid(List<Phase> phases, List<Kind> kinds, List<Integer> tokens) {
    return grid(phases, kinds, tokens, List.of(1));
  }

  private static AttentionGrid grid(
      List<Phase> phases, List<Kind> kinds, List<Integer> tokens, List<Integer> threads) {
    return new AttentionGrid(
        phases,
        kinds,
        List.of("native", "vector", "scalar"),
        List.of(),
        List.of(8),
        tokens,
        List.of(2),
        List.of(1),
        List.of(20),
        List.of(70),
        threads,
        List.of(),
        List.of(CacheType.BF16),
        List.of(),
        List.of(Residency.COLD),
        64,
        null);
  }

  private final List<String> notes = new ArrayList<>();

  private Report run(AttentionGrid grid) {
    return new Benchmark(TINY, Progress.NONE, () -> false, notes::add).attention(grid);
  }

  @Test
  void theJsonHasEveryField() throws Exception {
    Report report = run(grid(List.of(Phase.values()), List.of(Kind.MLA), List.of(100)));
    JsonNode json = new ObjectMapper().readTree(JsonReport.text(report));
    assertEquals(Set.of("machine", "peaks", "rows"), names(json));
    assertEquals(3 * 2, json.get("rows").size());
    assertTrue(json.get("peaks").size() >= 3, () -> json.get("peaks").toString());
    assertEquals(
        Set.of("what", "source", "isa", "threads", "workingSetBytes", "rate", "mad", "unit"),
        names(json.get("peaks").get(0)));
    for (JsonNode row : json.get("rows")) {
      assertTrue(
          names(row)
              .containsAll(
                  List.of(
                      "benchmark",
                      "kind",
                      "backend",
                      "isa",
                      "form",
                      "heads",
                      "tokens",
                      "batch",
                      "sQ",
                      "threads",
                      "compute",
                      "cacheType",
                      "page",
                      "residency",
                      "flop",
                      "bytes",
                      "medianNs",
                      "madNs",
                      "samplesNs",
                      "gflops",
                      "gbps",
                      "peakGflops",
                      "peakGbps",
                      "shareOfPeak",
                      "shareOfBandwidth")),
          row::toString);
      assertEquals(TINY.repetitions(), row.get("samplesNs").size());
      assertTrue(row.get("verified").asBoolean());
      assertEquals(
          row.get("gflops").asDouble() / row.get("peakGflops").asDouble(),
          row.get("shareOfPeak").asDouble(),
          1e-9);
    }
  }

  private static Set<String> names(JsonNode object) {
    Set<String> names = new java.util.HashSet<>();
    object.fieldNames().forEachRemaining(names::add);
    return names;
  }

  @Test
  void decodeIsAbsorbedAndPrefillChoosesItsForm() {
    Report report = run(grid(List.of(Phase.values()), List.of(Kind.MLA), List.of(100)));
    Row decode = report.rows().getFirst();
    assertEquals("attention", decode.axes().benchmark());
    assertEquals("absorbed", decode.axes().form());
    assertEquals(100, decode.axes().tokens());
    assertNotNull(decode.shareOfBandwidth());
    Row prefill = report.rows().get(1);
    assertEquals("prefill", prefill.axes().benchmark());
    assertEquals(90, prefill.axes().tokens());
    assertEquals(20, prefill.axes().sQ());
    assertNull(prefill.shareOfBandwidth());
  }

  @Test
  void rowsThatTakeTooMuchMemoryAreLeftOutAndSaidSo() {
    Report report = run(grid(List.of(Phase.DECODE), List.of(Kind.MLA), List.of(100, 1 << 14)));
    assertEquals(3, report.rows().size());
    assertEquals(3, notes.size());
    assertTrue(notes.getFirst().contains("16384 tokens is left out"), notes.getFirst());
  }

  @Test
  void aRunThatIsStoppedGivesWhatItHas() {
    int[] asked = {0};
    Report report =
        new Benchmark(TINY, Progress.NONE, () -> asked[0]++ > 12, notes::add)
            .attention(grid(List.of(Phase.DECODE), List.of(Kind.MLA), List.of(64)));
    assertFalse(report.rows().size() > 3);
    assertTrue(report.rows().stream().allMatch(row -> row.samplesNs().length > 0));
  }

  @Test
  void threadsArePinnedOnceAndForAllRows() {
    Assumptions.assumeTrue(
        System.getProperty("os.name").equals("Linux")
            && Runtime.getRuntime().availableProcessors() > 1);
    int before = Runtime.getRuntime().availableProcessors();
    Settings pinned = new Settings(1, 0, 0, true, true, 4 << 20, 8 << 20);
    Report report =
        new Benchmark(pinned, Progress.NONE, () -> false, notes::add)
            .attention(grid(List.of(Phase.DECODE), List.of(Kind.MLA), List.of(64), List.of(1, 2)));
    assertEquals(3 * 2, report.rows().size());
    assertTrue(report.peaks().stream().anyMatch(peak -> peak.threads() == 2));
    assertEquals(before, Runtime.getRuntime().availableProcessors());
  }
}

package io.mla4j.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.mla4j.AttentionForm;
import io.mla4j.Backends;
import io.mla4j.bench.AttentionGrid.Phase;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
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
    AttentionGrid grid = new AttentionGrid();
    grid.phases = phases;
    grid.kinds = kinds;
    grid.backends = List.of("native", "vector", "scalar");
    grid.heads = List.of(8);
    grid.tokens = tokens;
    grid.batches = List.of(2);
    grid.prefill = List.of(20);
    grid.cached = List.of(70);
    grid.threads = threads;
    return grid;
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
    Set<String> names = new HashSet<>();
    object.fieldNames().forEachRemaining(names::add);
    return names;
  }

  @Test
  void decodeIsAbsorbedAndPrefillChoosesItsForm() {
    Report report = run(grid(List.of(Phase.values()), List.of(Kind.MLA), List.of(100)));
    Row decode = report.rows().getFirst();
    assertEquals("attention", decode.text(Axis.BENCHMARK));
    assertEquals("absorbed", decode.text(Axis.FORM));
    assertEquals(100, decode.count(Axis.TOKENS));
    assertNotNull(decode.shareOfBandwidth());
    Row prefill = report.rows().get(1);
    assertEquals("prefill", prefill.text(Axis.BENCHMARK));
    assertEquals(90, prefill.count(Axis.TOKENS));
    assertEquals(20, prefill.count(Axis.S_Q));
    assertNull(prefill.shareOfBandwidth());
  }

  @Test
  void rowsThatTakeTooMuchMemoryAreLeftOutAndSaidSo() {
    Report report = run(grid(List.of(Phase.DECODE), List.of(Kind.MLA), List.of(100, 1 << 14)));
    assertEquals(3, report.rows().size());
    assertEquals(3, notes.size());
    for (String backend : List.of("native", "vector", "scalar")) {
      assertTrue(
          notes.stream()
              .anyMatch(
                  n ->
                      n.startsWith("attention mla " + backend)
                          && n.contains(" 16384 tokens ")
                          && n.contains(" 1 threads is left out: its cache")),
          notes::toString);
    }
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
  void aRunThatIsStoppedStartsNothingNew() {
    Benchmark stopped = new Benchmark(TINY, Progress.NONE, () -> true, notes::add);
    Path none = Path.of("there", "is", "no", "model");
    assertEquals(List.of(), stopped.peak(List.of(1)).peaks());
    assertEquals(
        List.of(),
        stopped.attention(grid(List.of(Phase.DECODE), List.of(Kind.MLA), List.of(64))).rows());
    assertEquals(
        List.of(),
        Suite.FULL.run(stopped, List.of("scalar"), List.of(1), List.of(none.toString())).rows());
  }

  @Test
  void whatIsMeasuredSoFarCanBeAskedForMeanwhile() {
    List<Integer> rows = new ArrayList<>();
    Benchmark[] benchmark = new Benchmark[1];
    Progress asks = (_, _, _) -> rows.add(benchmark[0].soFar().rows().size());
    benchmark[0] = new Benchmark(TINY, asks, () -> false, notes::add);
    AttentionGrid grid = grid(List.of(Phase.DECODE), List.of(Kind.MLA), List.of(64));
    benchmark[0].attention(grid);
    // Three rows are warmed up, then have a sample one after the other, then another one.
    assertEquals(List.of(0, 0, 0, 0, 1, 2, 3, 3, 3, 3), rows);
    benchmark[0].attention(grid);
    assertEquals(List.of(3, 3, 3, 3, 4, 5, 6, 6, 6, 6), rows.subList(10, 20));
    assertEquals(6, benchmark[0].soFar().rows().size());
  }

  @Test
  void whatDoesNotGoTogetherIsLeftOutAndSaidSo() {
    AttentionGrid grid = new AttentionGrid();
    grid.phases = List.of(Phase.DECODE);
    grid.kinds = List.of(Kind.GQA, Kind.MLA);
    grid.backends = List.of("scalar");
    grid.heads = List.of(12, 16, 12);
    grid.tokens = List.of(4, 40);
    grid.sQ = List.of(8);
    Report report = run(grid);
    assertEquals(
        List.of("mla 12", "gqa 16", "mla 16"),
        report.rows().stream().map(r -> r.text(Axis.KIND) + " " + r.count(Axis.HEADS)).toList());
    assertEquals(5, notes.size());
    assertTrue(
        notes.stream().anyMatch(n -> n.contains("12 heads 40 tokens") && n.contains("8 groups")),
        notes::toString);
    assertEquals(
        4, notes.stream().filter(n -> n.contains("8 new tokens are more than the 4")).count());
  }

  @Test
  void aFormThatIsChosenByItselfIsNotMeasuredTwice() {
    AttentionGrid grid = new AttentionGrid();
    grid.phases = List.of(Phase.PREFILL);
    grid.backends = List.of("scalar");
    grid.heads = List.of(8);
    grid.prefill = List.of(9);
    grid.forms = List.of(AttentionForm.ABSORBED, AttentionForm.DECOMPRESSED, AttentionForm.AUTO);
    Report report = run(grid);
    assertEquals(2, report.rows().size());
    assertEquals(1, notes.size());
    assertTrue(notes.getFirst().contains("is measured once"), notes::toString);
  }

  @Test
  void backendsThatDoNotWorkAreNoDefault() {
    assertEquals(
        List.of("native", "vector"),
        Benchmark.usualBackends(
            List.of(status("native", true), status("vector", true)), notes::add));
    assertEquals(List.of(), notes);
    assertEquals(
        List.of("vector"),
        Benchmark.usualBackends(
            List.of(status("gpu", true), status("native", false), status("vector", true)),
            notes::add));
    assertEquals(List.of("native is left out: a reason"), notes);
    assertEquals(
        List.of("scalar"),
        Benchmark.usualBackends(
            List.of(status("native", false), status("vector", false), status("scalar", true)),
            notes::add));
  }

  private static Backends.Status status(String name, boolean works) {
    return new Backends.Status(
        name,
        name.equals("scalar") ? 0 : 1,
        works,
        "a reason",
        List.of(),
        Optional.empty(),
        Optional.empty(),
        name.equals("gpu"),
        Map.of());
  }

  @Test
  void aFolderWithASpaceIsAClassPath() throws Exception {
    Path folder = Path.of("/tmp/a folder/classes");
    assertEquals(folder.toString(), StartupBench.classPath(folder.toUri().toURL()));
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

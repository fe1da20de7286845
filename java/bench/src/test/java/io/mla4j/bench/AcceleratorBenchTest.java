package io.mla4j.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.abort;

import io.mla4j.AttentionForm;
import io.mla4j.BackendException;
import io.mla4j.Backends;
import io.mla4j.ComputeType;
import io.mla4j.bench.AttentionGrid.Phase;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * Rows of a device with memory of its own, an emulated one: what they have, and that their results
 * are checked.
 */
class AcceleratorBenchTest {
  private static final Settings TINY = new Settings(2, 0, 0, true, false, 1 << 20, 8 << 20);

  private static final String NAME =
      Backends.names().stream().filter(Backends::hasOwnMemory).findFirst().orElseThrow();

  private final List<String> notes = new ArrayList<>();

  @BeforeEach
  void theEmulatedDeviceIsThere() {
    String reason =
        Backends.list().stream()
            .filter(s -> s.name().equals(NAME) && !s.available())
            .map(s -> s.reason())
            .findFirst()
            .orElse(null);
    if (reason != null) {
      if ("1".equals(System.getenv("MLA4J_REQUIRE_NATIVE"))) {
        fail("MLA4J_REQUIRE_NATIVE is 1, but " + reason);
      }
      abort(reason);
    }
  }

  private static AttentionGrid grid(
      List<Phase> phases, List<Kind> kinds, List<String> backends, List<ComputeType> computes) {
    AttentionGrid grid = new AttentionGrid();
    grid.phases = phases;
    grid.kinds = kinds;
    grid.backends = backends;
    grid.heads = List.of(8);
    grid.tokens = List.of(40);
    grid.batches = List.of(2);
    grid.prefill = List.of(3);
    grid.cached = List.of(20);
    grid.threads = List.of(1, 2);
    grid.computes = computes;
    grid.forms = List.of(AttentionForm.ABSORBED);
    grid.pages = List.of(16);
    return grid;
  }

  private Report run(AttentionGrid grid) {
    return new Benchmark(TINY, Progress.NONE, () -> false, notes::add).attention(grid);
  }

  @Test
  void aRowNamesTheDeviceAndHasBothPeaks() {
    Report report = run(grid(List.of(Phase.values()), List.of(Kind.MLA), List.of(NAME), List.of()));
    assertEquals(2, report.rows().size(), "one for each phase, whatever the threads");
    for (Row row : report.rows()) {
      assertEquals(NAME, row.text(Axis.BACKEND));
      assertEquals("emulated device", row.text(Axis.ISA));
      assertEquals(1, row.count(Axis.THREADS));
      assertEquals("bf16", row.text(Axis.COMPUTE));
      assertEquals(TINY.repetitions(), row.samplesNs().length);
      assertTrue(row.verified());
      assertTrue(row.peakGflops() > 0 && row.peakGbps() > 0, row::toString);
      assertNull(row.joules(), "no GPU of this name counts them");
    }
    assertNotNull(report.rows().getFirst().shareOfBandwidth());
    assertEquals(
        List.of("linear_bf16 of 128", "copy"), report.peaks().stream().map(Peak::what).toList());
    for (Peak peak : report.peaks()) {
      assertEquals(NAME, peak.source());
      assertEquals("emulated device", peak.isa());
      assertTrue(peak.rate() > 0, peak::toString);
    }
  }

  @Test
  void float32HasNoPeakToCompareWith() {
    Report report =
        run(
            grid(
                List.of(Phase.DECODE), List.of(Kind.MLA), List.of(NAME), List.of(ComputeType.F32)));
    assertNull(report.rows().getFirst().peakGflops());
    assertNull(report.rows().getFirst().shareOfPeak());
    assertTrue(report.rows().getFirst().verified());
  }

  @Test
  void theProcessorIsMeasuredBesideIt() {
    Report report =
        run(grid(List.of(Phase.DECODE), List.of(Kind.MLA), List.of("scalar", NAME), List.of()));
    assertEquals(
        List.of("scalar", "scalar", NAME),
        report.rows().stream().map(r -> r.text(Axis.BACKEND)).toList());
    assertTrue(report.peaks().stream().anyMatch(p -> p.what().equals("copy")));
    assertTrue(report.peaks().stream().anyMatch(p -> !p.source().equals(NAME)));
  }

  @Test
  void otherKindsAreLeftOutAndSaidSo() {
    Report report =
        run(grid(List.of(Phase.DECODE), List.of(Kind.MLA, Kind.MQA), List.of(NAME), List.of()));
    assertEquals(1, report.rows().size());
    assertEquals(1, notes.size());
    assertTrue(
        notes.getFirst().startsWith("attention mqa " + NAME + " emulated device"), notes::toString);
    assertTrue(
        notes.getFirst().endsWith("is left out: " + NAME + " has MLA alone"), notes::toString);
  }

  @Test
  void otherMeasurementsSayThatTheyHaveNone() {
    Benchmark benchmark = new Benchmark(TINY, Progress.NONE, () -> false, notes::add);
    LinearGrid grid = new LinearGrid();
    grid.benchmarks = List.of(LinearGrid.Benchmark.GEMV);
    grid.sizes = List.of(new LinearGrid.Size(64, 64));
    grid.backends = List.of(NAME);
    BenchException e = assertThrows(BenchException.class, () -> benchmark.linear(grid));
    assertEquals("backend " + NAME + " is measured by bench attention alone", e.getMessage());
  }

  @Test
  void anUnknownBackendIsRefused() {
    assertThrows(
        BackendException.class,
        () -> run(grid(List.of(Phase.DECODE), List.of(Kind.MLA), List.of(NAME + "2"), List.of())));
  }

  @Test
  void aRunThatIsStoppedGivesWhatItHas() {
    try (AcceleratorBench bench = new AcceleratorBench(TINY, NAME)) {
      AttentionGrid grid = grid(List.of(Phase.DECODE), List.of(Kind.MLA), List.of(NAME), List.of());
      Benchmark stopped = new Benchmark(TINY, Progress.NONE, () -> true, notes::add);
      assertEquals(List.of(), bench.run(grid, stopped));
    }
  }
}

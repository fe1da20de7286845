package io.mla4j.bench;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.function.LongSupplier;
import org.junit.jupiter.api.Test;

/** How samples are taken, by a clock that only the cases move. */
class RunnerTest {
  private static final int MILLISECOND = 1_000_000;

  private long now;
  private boolean cachesAreEmpty;

  /** What peaks measure, in turns; the bandwidth empties the caches. */
  private final class FakeLimits implements Limits {
    private final double[] peaks;
    private final boolean areBounds;
    private int measured;

    FakeLimits(boolean areBounds, double... peaks) {
      this.areBounds = areBounds;
      this.peaks = peaks;
    }

    @Override
    public double peak(Axes row, PeakMeter meter) {
      return peaks[measured++ % peaks.length];
    }

    @Override
    public double bandwidth(PeakMeter meter) {
      cachesAreEmpty = true;
      return Double.NaN;
    }

    @Override
    public boolean areBounds() {
      return areBounds;
    }

    @Override
    public Energy energy() {
      return Energy.NONE;
    }
  }

  /** 1e9 FLOP; takes as long as it is told. */
  private final class FakeCase extends Case {
    private final LongSupplier nanos;
    private int runs;

    FakeCase(Axes axes, Limits limits, LongSupplier nanos) {
      super(axes, new Work(1_000_000_000, 0, 0), limits);
      this.nanos = nanos;
    }

    @Override
    void run() {
      runs++;
      now += nanos.getAsLong();
      cachesAreEmpty = false;
    }

    @Override
    boolean isBoundByMemory() {
      return false;
    }

    @Override
    void verify() {}
  }

  private static Axes axes(int heads, int tokens, int sQ, String residency) {
    return Axes.of("attention")
        .with(Axis.KIND, "mla")
        .with(Axis.BACKEND, "vector")
        .with(Axis.FORM, "absorbed")
        .with(Axis.HEADS, heads)
        .with(Axis.TOKENS, tokens)
        .with(Axis.S_Q, sQ)
        .with(Axis.THREADS, 1)
        .with(Axis.COMPUTE, "f32")
        .with(Axis.RESIDENCY, residency);
  }

  private List<Row> run(Settings settings, List<Case> cases) {
    return new Runner(settings, null, Progress.NONE, () -> false, () -> now, () -> false)
        .run(cases);
  }

  private Row one(int repetitions, String residency, Limits limits, LongSupplier nanos) {
    Settings settings = new Settings(repetitions, 0, MILLISECOND, false, false, 0, 0);
    return run(settings, List.of(new FakeCase(axes(16, 64, 1, residency), limits, nanos)))
        .getFirst();
  }

  @Test
  void everySortOfCodeIsWarmedUpAtLength() {
    Settings settings = new Settings(1, 0, 1600 * MILLISECOND, false, false, 0, 0);
    List<Case> cases = new ArrayList<>();
    for (Axes axes :
        List.of(
            axes(16, 1024, 1, "cold"),
            axes(16, 2048, 1, "cold"),
            axes(128, 1024, 1, "cold"),
            axes(16, 1024, 8, "cold"))) {
      cases.add(new FakeCase(axes, new FakeLimits(true, 1e4), () -> MILLISECOND));
    }
    run(settings, cases);
    assertArrayEquals(
        new int[] {1600, 100, 1600, 1600},
        cases.stream().mapToInt(c -> ((FakeCase) c).runs - 1).toArray());
  }

  @Test
  void aRowThatKeepsGettingFasterSaysSo() {
    long[] nanos = {1L << 40};
    Settings settings = new Settings(3, 0, MILLISECOND, false, false, 0, 0);
    LongSupplier halves = () -> nanos[0] = Math.max(1, nanos[0] / 2);
    Row row =
        run(
                settings,
                List.of(new FakeCase(axes(16, 64, 1, "cold"), new FakeLimits(true, 1e9), halves)))
            .getFirst();
    assertTrue(row.marks().contains(Mark.NOT_WARM), row::toString);
    assertTrue(row.noisy());
  }

  @Test
  void warmRowsFindTheirMemoryInTheCaches() {
    LongSupplier nanos = () -> cachesAreEmpty ? 7 * MILLISECOND : MILLISECOND;
    Limits limits = new FakeLimits(true, 1e4);
    assertEquals(MILLISECOND, one(3, "warm", limits, nanos).medianNs());
    assertEquals(7 * MILLISECOND, one(3, "cold", limits, nanos).medianNs());
  }

  @Test
  void aSampleOfShortRunsIsAsLongAsOthers() {
    Settings settings = new Settings(1, 40 * MILLISECOND, 0, false, false, 0, 0);
    FakeCase shortRuns =
        new FakeCase(axes(16, 64, 1, "cold"), new FakeLimits(true, 1e9), () -> 10_000);
    run(settings, List.of(shortRuns));
    assertTrue(shortRuns.runs > 4000, "runs of 10 us were " + shortRuns.runs);
  }

  @Test
  void theLargerPeakOfASampleCounts() {
    Row row = one(3, "cold", new FakeLimits(true, 1000, 1010), () -> 2 * MILLISECOND);
    assertEquals(1010, row.peakGflops());
    assertEquals(500 / 1010., row.shareOfPeak(), 1e-12);
    assertEquals(List.of(), row.marks());
    assertFalse(row.noisy());
  }

  @Test
  void aRowAboveItsLimitSaysSo() {
    Row row = one(3, "cold", new FakeLimits(true, 250), () -> 2 * MILLISECOND);
    assertEquals(List.of(Mark.ABOVE_LIMIT), row.marks());
    assertTrue(row.noisy());
    assertEquals("above limit", Column.ROWS.getLast().cell().apply(row));
    Row slightly = one(3, "cold", new FakeLimits(true, 490), () -> 2 * MILLISECOND);
    assertEquals(List.of(), slightly.marks());
    Row ofGpu = one(3, "cold", new FakeLimits(false, 250), () -> 2 * MILLISECOND);
    assertEquals(List.of(), ofGpu.marks(), "what others reach there is no bound");
  }

  @Test
  void aRowWhosePeaksSpreadSaysSo() {
    Row row = one(1, "cold", new FakeLimits(true, 1000, 1300), () -> 2 * MILLISECOND);
    assertEquals(List.of(Mark.NOISY_LIMIT), row.marks());
    assertTrue(row.noisy());
  }

  @Test
  void oneSampleHasNoSpread() {
    Row row = one(1, "cold", new FakeLimits(true, 1000), () -> 2 * MILLISECOND);
    assertNull(row.madNs());
    Column<Row> mad =
        Column.ROWS.stream().filter(c -> "MAD".equals(c.title())).findFirst().orElseThrow();
    assertEquals("", mad.cell().apply(row));
  }
}

package io.mla4j.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.ComputeType;
import io.mla4j.bench.AttentionGrid.Residency;
import io.mla4j.cpu.CpuDevice;
import io.mla4j.ops.StorageFormat;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Tiny matrix products: their rows, their work, and that results are checked. */
class LinearBenchTest {
  @Test
  void everyBenchmarkAndWeightTypeGivesACheckedRow() {
    LinearGrid grid = new LinearGrid();
    grid.sizes = List.of(new LinearGrid.Size(96, 40));
    grid.rows = List.of(7);
    grid.backends = List.of("native", "vector");
    grid.threads = List.of(2);
    grid.weightTypes = List.of(StorageFormat.BF16, StorageFormat.F16, StorageFormat.F32);
    grid.mixture = new LinearGrid.MixtureSize(9, 8, 2, 64, 48);
    Settings settings = new Settings(1, 0, 0, true, false, 4 << 20, 8 << 20);
    List<Row> rows =
        new Benchmark(settings, Progress.NONE, () -> false, _ -> {}).linear(grid).rows();
    assertEquals(2 * 3 * 3, rows.size());
    for (Row row : rows) {
      assertTrue(row.verified(), row::toString);
    }
    Row gemm = rows.getFirst();
    assertEquals("gemm", gemm.text(Axis.BENCHMARK));
    assertEquals("96x40 bf16", gemm.text(Axis.SHAPE));
    assertEquals(2 * 7 * 96 * 40, gemm.work().flop());
    assertEquals(2 * 96 * 40, gemm.work().bytes());
    assertNull(gemm.shareOfBandwidth());
    assertEquals("gemv", rows.get(1).text(Axis.BENCHMARK));
    assertNotNull(rows.get(1).shareOfBandwidth());
    Row grouped = rows.get(2);
    assertEquals("grouped", grouped.text(Axis.BENCHMARK));
    // Three products of 2 experts for each of 9 rows, and the router.
    assertEquals(2L * 9 * 2 * 3 * 64 * 48 + 2L * 9 * 64 * 8, grouped.work().flop());
    assertEquals(8L * 3 * 64 * 48 * 2, grouped.work().bytes());
  }

  @Test
  void expertsAreColdWhereTheyAreCalledSo() {
    Settings settings = new Settings(1, 0, 0, false, false, 1 << 20, 8 << 20);
    LinearGrid.MixtureSize size = new LinearGrid.MixtureSize(3, 2, 1, 64, 48);
    try (Lab lab = new Lab(settings)) {
      CpuDevice device = lab.device("scalar", null, 1);
      DataPool pool = lab.pool();
      assertEquals("a,a,a", outputs(device, size, Residency.WARM, pool));
      assertEquals("a,b,c", outputs(device, size, Residency.COLD, pool));
    }
  }

  /** A letter for each run of a mixture, the same for the same result. */
  private static String outputs(
      CpuDevice device, LinearGrid.MixtureSize size, Residency residency, DataPool pool) {
    List<List<Float>> seen = new ArrayList<>();
    StringBuilder letters = new StringBuilder();
    try (MixtureCase mixture =
        new MixtureCase(device, size, ComputeType.F32, StorageFormat.BF16, residency, pool)) {
      assertEquals(AttentionSpec.lower(residency), mixture.axes.text(Axis.RESIDENCY));
      for (int i = 0; i < 3; i++) {
        mixture.run();
        List<Float> out = new ArrayList<>();
        for (float value : mixture.out.segment().toArray(ValueLayout.JAVA_FLOAT)) {
          out.add(value);
        }
        if (!seen.contains(out)) {
          seen.add(out);
        }
        letters.append(i == 0 ? "" : ",").append((char) ('a' + seen.indexOf(out)));
      }
    }
    return letters.toString();
  }

  @Test
  void sizesAreRead() {
    assertEquals(new LinearGrid.Size(2048, 10944), LinearGrid.Size.parse("2048x10944"));
    for (String wrong : List.of("2048", "0x5", "ax5", "1x2x3", "-1x5")) {
      String message =
          assertThrows(BenchException.class, () -> LinearGrid.Size.parse(wrong)).getMessage();
      assertTrue(message.contains(wrong), message);
    }
  }
}

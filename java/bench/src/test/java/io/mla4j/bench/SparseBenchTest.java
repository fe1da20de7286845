package io.mla4j.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.AttentionForm;
import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.bench.SparseGrid.Part;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Small sparse steps: their rows, their work, and that results are checked. */
class SparseBenchTest {
  private static final Settings SMALL = new Settings(1, 0, 0, true, false, 4 << 20, 8 << 20);

  private final List<String> notes = new ArrayList<>();

  private static SparseGrid grid(List<String> backends, int tokens) {
    SparseGrid grid = new SparseGrid();
    grid.backends = backends;
    grid.heads = List.of(2, 4);
    grid.tokens = List.of(tokens);
    grid.sQ = List.of(1, 3);
    grid.topK = 24;
    grid.indexer = new SparseGrid.Indexer(4, 32);
    grid.page = 16;
    return grid;
  }

  private List<Row> run(SparseGrid grid) {
    return new Benchmark(SMALL, Progress.NONE, () -> false, notes::add).sparse(grid).rows();
  }

  @Test
  void everyPartGivesACheckedRow() {
    SparseGrid grid = grid(List.of("native", "vector", "scalar"), 70);
    grid.cacheTypes = List.of(CacheType.BF16, CacheType.F32);
    List<Row> rows = run(grid);
    // Dense and chosen with 2 and 4 heads, and an indexer, for 1 and 3 new tokens.
    assertEquals(3 * 2 * 2 * (2 * 2 + 1), rows.size());
    for (Row row : rows) {
      assertTrue(row.verified(), row::toString);
      assertEquals("sparse", row.text(Axis.BENCHMARK));
      assertNotNull(row.shareOfBandwidth());
    }
    assertEquals(
        List.of("chosen", "dense", "indexer"),
        rows.stream().map(r -> r.text(Axis.KIND)).distinct().sorted().toList());
    assertEquals(List.of(), notes);
  }

  @Test
  void workIsWhatIsReadAndComputed() {
    SparseGrid grid = grid(List.of("scalar"), 70);
    grid.heads = List.of(4);
    grid.sQ = List.of(1);
    var work = run(grid).stream().collect(Collectors.toMap(r -> r.text(Axis.KIND), Row::work));
    long projected = 2L * 4 * 512 * 2 * 128;
    long weights = 2L * 4 * 2 * 128 * 512;
    assertEquals(2L * 4 * 70 * (2 * 512 + 64) + projected, work.get("dense").flop());
    assertEquals(70 * 1152 + weights, work.get("dense").bytes());
    assertEquals(2L * 4 * 24 * (2 * 512 + 64) + projected, work.get("chosen").flop());
    assertEquals(24 * 1152 + weights, work.get("chosen").bytes());
    assertEquals(2L * 4 * 33 * 70, work.get("indexer").flop());
    assertEquals(70 * 64, work.get("indexer").bytes());
  }

  @Test
  void aTextThatIsNoLongerThanTheChoiceIsLeftOut() {
    SparseGrid grid = grid(List.of("scalar"), 24);
    grid.heads = List.of(2);
    grid.sQ = List.of(1);
    grid.parts = List.of(Part.CHOSEN, Part.INDEXER);
    assertEquals(1, run(grid).size());
    assertEquals(1, notes.size());
    assertTrue(notes.getFirst().endsWith("no more tokens than the 24 that are chosen"));
  }

  @Test
  void aWrongChoiceIsSeen() {
    try (Lab lab = new Lab(SMALL);
        Arena arena = Arena.ofConfined()) {
      AttentionSpec dense =
          new AttentionSpec(
              AttentionGrid.Phase.DECODE,
              Kind.MLA,
              lab.device("scalar", null, 1),
              null,
              new AttentionSpec.Size(1, 40, 1, 1, 64),
              new AttentionSpec.Types(ComputeType.F32, CacheType.F32),
              AttentionForm.AUTO,
              AttentionGrid.Residency.COLD);
      SparseSpec spec = new SparseSpec(Part.INDEXER, dense, new SparseGrid.Indexer(1, 16), 8);
      Tensor keys = RandomNumbers.floats(lab.device("scalar", null, 1), arena, 1, 64, 16);
      Tensor q = RandomNumbers.floats(lab.device("scalar", null, 1), arena, 1, 1, 1, 16);
      Tensor weight = Tensor.of(arena.allocate(4, 64), StorageFormat.F32, 1, 1);
      weight.segment().set(ValueLayout.JAVA_FLOAT, 0, 1);
      IndexCheck check = new IndexCheck("a row", spec, keys.segment(), arena.allocate(4, 64), q);
      int[] first = IntStream.range(0, 8).toArray();
      BenchException e =
          assertThrows(BenchException.class, () -> check.requireBest(weight, 0, 40, first));
      assertTrue(e.getMessage().startsWith("the result of a row is wrong: token"), e.getMessage());
    }
  }
}

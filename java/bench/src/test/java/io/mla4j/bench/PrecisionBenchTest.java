package io.mla4j.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.AttentionForm;
import io.mla4j.Backends;
import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.checkpoint.Checkpoint;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PrecisionBenchTest {
  private static final Path MODEL = Path.of(System.getProperty("mla4j.root"), "models", "tiny-mla");
  private static final Backends.Choice SCALAR = new Backends.Choice("scalar", null, 2);

  @TempDir private Path folder;

  private static int[][] windows() {
    return new int[][] {IntStream.range(0, 24).map(i -> 7 + 31 * i % 4000).toArray()};
  }

  /** Float32 differs from double precision by its sums, what is rounded by its roundings. */
  @Test
  void errorsFollowFromWhatIsRounded() {
    try (Checkpoint checkpoint = Checkpoint.open(MODEL)) {
      PrecisionBench bench = new PrecisionBench(checkpoint, windows());
      bench.measureReference(SCALAR);
      PrecisionResult exact = bench.measure(PrecisionSetting.reference(SCALAR));
      assertEquals(6, exact.layers().size());
      assertEquals(12, exact.residuals().length);
      assertTrue(PrecisionResult.worst(exact.out()) < 1e-5);
      assertEquals(0, PrecisionResult.mean(exact.divergence()));
      assertEquals(exact.greedy().all(), exact.greedy().agreed());
      assertEquals(0, exact.lse().length, "the decompressed form does not tell it");
      PrecisionResult rounded =
          bench.measure(
              new PrecisionSetting(
                  SCALAR, CacheType.BF16, ComputeType.F32, AttentionForm.ABSORBED));
      assertTrue(PrecisionResult.mean(rounded.out()) > 1e-4);
      assertTrue(PrecisionResult.mean(rounded.out()) < 2e-2);
      assertTrue(PrecisionResult.worst(rounded.lse()) > 1e-4);
      assertTrue(rounded.residuals()[11] > 1e-5);
      assertEquals(exact.perplexity(), rounded.perplexity(), 0.02 * exact.perplexity());
    }
  }

  @Test
  void reportsNameEverySettingAndWhyOneIsRefused() {
    List<PrecisionResult> results = new ArrayList<>();
    for (PrecisionSetting setting : PrecisionSetting.all(List.of(SCALAR))) {
      double error = setting.cache() == CacheType.F32 ? 1e-7 : 1e-3;
      results.add(
          new PrecisionResult(
              setting,
              null,
              100,
              List.of(
                  new PrecisionRecorder.LayerError(0, new double[] {error}, new double[] {error})),
              new double[] {error, 2 * error},
              30,
              new double[] {0, error},
              new PrecisionResult.Greedy(199, 200)));
    }
    PrecisionSetting last = results.removeLast().setting();
    results.add(PrecisionResult.refused(last, "there is no such kernel"));
    PrecisionReport report = new PrecisionReport("a model", results);
    String text = report.markdown();
    for (CacheType cache : CacheType.all()) {
      assertTrue(text.contains("| " + PrecisionSetting.lower(cache) + " |"), text);
    }
    assertTrue(text.contains("there is no such kernel"), text);
    assertTrue(text.contains("199 of 200"), text);
    assertTrue(
        text.contains("| scalar | f32 | 100 | f32 / bf16 / int8 | absorbed / decompressed |"),
        "settings with the same figures are one row: " + text);
    assertTrue(report.json().contains("\"refused\" : \"there is no such kernel\""));
    List<Path> files = report.plot(folder);
    assertEquals(4, files.size());
    assertTrue(files.stream().allMatch(Files::exists));
  }
}

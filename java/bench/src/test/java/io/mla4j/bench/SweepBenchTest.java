package io.mla4j.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.Backends;
import io.mla4j.CacheType;
import io.mla4j.Device;
import io.mla4j.lab.Converter;
import io.mla4j.lab.Method;
import io.mla4j.lab.Texts;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Sweeps over a random model of three layers, four heads of sixteen elements. */
class SweepBenchTest {
  private static final Path MODEL =
      Path.of(System.getProperty("mla4j.root"), "java/model/src/test/resources/golden/llama-mha");
  private static final Backends.Choice VECTOR = new Backends.Choice("vector", null, 2);

  @TempDir private Path folder;

  private static SweepBench.Plan plan(SweepBench.Speed speed, Method... methods) {
    return new SweepBench.Plan(
        List.of(methods),
        List.of(24, 32),
        List.of(16, 64),
        List.of(CacheType.BF16, CacheType.INT8),
        Method.Fitting.DEFAULT,
        speed);
  }

  private static int[] ids(int count, int seed) {
    return new SplittableRandom(seed).ints(count, 3, 320).toArray();
  }

  private SweepResults run(SweepBench.Plan plan, int seed, List<String> lines) {
    try (Device device = Backends.open(VECTOR);
        Converter converter = Converter.open(MODEL, device)) {
      Texts texts = new Texts(converter.windows(ids(1020, 1), 0), ids(300, seed), 0);
      return new SweepBench(
              converter, device, texts, plan, folder.resolve("sweep.json"), lines::add)
          .run();
    }
  }

  @Test
  void everyPlanIsMeasuredOnceAndGoesOnWhereItWasStopped() throws Exception {
    List<String> lines = new ArrayList<>();
    SweepResults first = run(plan(null, Method.FITTED, Method.TRANSMLA), 2, lines);
    // The original, two rotations and two latents of fitted; RoRoPE has no 24 for 8 frequencies.
    assertEquals(2 * (1 + 4 + 2), first.points().size());
    assertTrue(first.placement("transmla", 24).orElseThrow().refused().startsWith("--rope is 24"));
    assertNull(first.placement("fitted", 24).orElseThrow().refused());
    assertEquals(3, first.placement("fitted", 24).orElseThrow().spectra().size());
    assertTrue(lines.getFirst().startsWith("8 conversions under 2 cache types: about "));
    assertTrue(lines.getLast().contains("8 of 8"), lines.getLast());
    SweepResults.Point small = first.point("fitted", 32, 16, "bf16").orElseThrow();
    SweepResults.Point large = first.point("fitted", 32, 64, "bf16").orElseThrow();
    assertEquals(3 * 2 * (32 + 16 + 16), small.bytes());
    assertTrue(small.divergence() > large.divergence());

    lines.clear();
    Path file = folder.resolve("sweep.json");
    String all = Files.readString(file);
    run(plan(null, Method.FITTED, Method.TRANSMLA), 2, lines);
    assertEquals(List.of(), lines);
    assertEquals(all, Files.readString(file));

    SweepResults without =
        new SweepResults(
            first.about(),
            first.numbers(),
            first.placements(),
            first.points().stream().filter(p -> p.latent() != 16 || p.rope() != 24).toList());
    without.write(file);
    SweepResults again = run(plan(null, Method.FITTED, Method.TRANSMLA), 2, lines);
    assertEquals(first.point("fitted", 24, 16, "int8"), again.point("fitted", 24, 16, "int8"));
    assertTrue(lines.getFirst().startsWith("1 conversions"), lines.getFirst());
  }

  @Test
  void resultsOfSomethingElseAreRefused() throws Exception {
    run(plan(null), 2, new ArrayList<>());
    BenchException e =
        assertThrows(BenchException.class, () -> run(plan(null), 3, new ArrayList<>()));
    assertTrue(e.getMessage().contains("of another sweep: scored sha256 is"), e.getMessage());
    Files.writeString(folder.resolve("sweep.json"), "{\"a\": 1}");
    e = assertThrows(BenchException.class, () -> run(plan(null), 2, new ArrayList<>()));
    assertTrue(e.getMessage().contains("holds no results of a sweep"), e.getMessage());
  }

  @Test
  void tablesAndPicturesSayWhatWasFound() throws Exception {
    SweepBench.Speed speed = new SweepBench.Speed("vector", 1, 64);
    SweepResults results =
        run(
            new SweepBench.Plan(
                List.of(Method.FITTED),
                List.of(32),
                List.of(32),
                List.of(CacheType.BF16, CacheType.INT8),
                Method.Fitting.DEFAULT,
                speed),
            2,
            new ArrayList<>());
    SweepReport report = new SweepReport(results);
    assertTrue(report.markdown().contains("| fitted | 32 | 32 | 64 | bf16 | 384 | "));
    DecodeSpeed.Speed found = results.point("fitted", 32, 32, "bf16").orElseThrow().speed();
    assertTrue(found.tokensPerSecond() > 0 && found.factor() > 0 && found.predicted() > 0);
    List<Path> files = report.plot(folder);
    assertEquals(8, files.size());
    for (Path file : files) {
      assertTrue(Files.size(file) > 1000, file.toString());
    }
  }

  @Test
  void aFrontHasWhatNothingBeats() {
    List<SweepResults.Point> points =
        List.of(point(300, 20), point(100, 30), point(200, 31), point(100, 29), point(200, 25));
    assertEquals(
        List.of(point(100, 29), point(200, 25), point(300, 20)), SweepResults.front(points));
  }

  private static SweepResults.Point point(long bytes, double perplexity) {
    return new SweepResults.Point("fitted", 32, 32, "bf16", bytes, perplexity, 0, null);
  }
}

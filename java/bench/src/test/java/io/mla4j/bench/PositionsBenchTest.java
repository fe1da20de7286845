package io.mla4j.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.Backends;
import io.mla4j.bench.PositionsBench.Result;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PositionsBenchTest {
  private static final Path MODELS = Path.of(System.getProperty("mla4j.root"), "models");
  // Where the emulated device is built, it would be the best one, and takes minutes.
  private static final Backends.Choice VECTOR = new Backends.Choice("vector", null, 2);
  private static final List<Integer> CONTEXTS = List.of(16, 32, 64);

  @TempDir private Path folder;

  private static Result result(String how, double... perplexities) {
    List<Double> all = Arrays.stream(perplexities).boxed().toList();
    return new Result(how, all, all, Optional.empty());
  }

  @Test
  void everySettingReadsTheSameTokens() {
    int[] ids = IntStream.range(0, 100).map(i -> 7 + 31 * i % 4000).toArray();
    List<Result> results =
        new PositionsBench(MODELS.resolve("tiny-mla"), VECTOR, 0, ids, CONTEXTS)
            .run(
                List.of(PositionsBench.CONFIGURED, "yarn:4,512", "none", "alibi", "longrope:no"),
                _ -> {});
    assertEquals(results.get(0).perplexities(), results.get(1).perplexities());
    assertEquals(3, results.get(2).byPosition().size());
    assertNotEquals(results.get(0).perplexities(), results.get(3).perplexities());
    assertTrue(results.get(4).refused().isPresent());
    // Windows of 64: the mean over positions is the mean over windows.
    double nats = 0;
    int[] counts = {2 * 16, 2 * 16, 31 + 5};
    for (int i = 0; i < 3; i++) {
      nats += counts[i] * Math.log(results.get(0).byPosition().get(i));
    }
    assertEquals(Math.log(results.get(0).perplexities().get(2)), nats / 100, 1e-3);
  }

  @Test
  void aWindowBeyondTheModelsContextHasNoFigure() {
    int[] ids = {263, 264, 265};
    Result result =
        new PositionsBench(MODELS.resolve("tiny-mla"), VECTOR, 0, ids, List.of(2048, 2049))
            .run(List.of(PositionsBench.CONFIGURED), _ -> {})
            .getFirst();
    assertTrue(result.perplexities().get(0) > 1);
    assertTrue(result.perplexities().get(1).isNaN());
  }

  @Test
  void theReportSaysWhichHoldsOutToWhere() throws Exception {
    PositionsReport report =
        new PositionsReport(
            "a model",
            CONTEXTS,
            List.of(
                result(PositionsBench.CONFIGURED, 20, 19, Double.NaN),
                result("ntk:4", 20.9, 21, 21.1),
                result("linear:4", 30, 29, 28),
                result("yarn:4,16", 20, 20, 18),
                new Result("none", List.of(), List.of(), Optional.of("not here"))));
    String text = report.markdown();
    assertTrue(text.contains("as configured: holds out to 32\n"), text);
    assertTrue(text.contains("ntk:4: holds out to 32\n"), text);
    assertTrue(text.contains("linear:4: does not hold out, not even in windows of 16"), text);
    assertTrue(text.contains("yarn:4,16: holds out to 64, the longest that was tried"), text);
    assertTrue(text.contains("none: refused, not here"), text);
    Path json = folder.resolve("positions.json");
    report.write(json);
    assertTrue(Files.readString(json).contains("\"holdsTo\" : 64"));
    assertEquals(4, report.plot(folder).size());
  }
}

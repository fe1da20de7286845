package io.mla4j.bench;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.knowm.xchart.CategoryChart;
import org.knowm.xchart.CategorySeries;

/** Pictures of a run of scripts/bench-peers. */
class PeerPlotsTest {
  private static final String RUN =
      """
      {"model": "build/models/dense-461m", "rows": [
        {"shape": "decode:16x1024", "weights": "", "threads": 2,
         "entries": {"mla4j native": {"medianNs": 1e5}}},
        {"shape": "prompt:512", "text": "prompt of 512", "kind": "prompt", "tokens": 512,
         "weights": "bf16", "threads": 2,
         "entries": {"mla4j native": {"medianNs": 1e9}, "llama.cpp": {"medianNs": 2e9}}},
        {"shape": "prompt:512", "text": "prompt of 512", "kind": "prompt", "tokens": 512,
         "weights": "q8_0", "threads": 2,
         "entries": {"mla4j native": {"medianNs": 5e8}, "llama.cpp": {"reason": "cannot load"},
                     "ik_llama.cpp": {"reason": "cannot load"}}},
        {"shape": "prompt:512", "text": "prompt of 512", "kind": "prompt", "tokens": 512,
         "weights": "bf16", "threads": 1, "entries": {"mla4j native": {"medianNs": 3e9}}},
        {"shape": "generate:0", "text": "generation at 0", "kind": "generate", "tokens": 0,
         "weights": "bf16", "threads": 2, "entries": {"mla4j native": {"medianNs": 30e6}}}
      ]}
      """;

  @TempDir Path folder;

  private Path json(String text) throws IOException {
    return Files.writeString(folder.resolve("run.json"), text);
  }

  @Test
  void eachShapeOfTheMostThreadsHasAPicture() throws IOException {
    Map<String, CategoryChart> charts = PeerPlots.charts(json(RUN));
    assertEquals(List.of("peers-prompt-512", "peers-generate-0"), List.copyOf(charts.keySet()));
    CategoryChart prompt = charts.get("peers-prompt-512");
    assertEquals("Prompt of 512, dense-461m, 2 threads", prompt.getTitle());
    List<CategorySeries> series = List.copyOf(prompt.getSeriesCollection());
    assertEquals(
        List.of("mla4j native", "llama.cpp"),
        series.stream().map(CategorySeries::getName).toList(),
        "who was never measured is left out");
    assertEquals(List.of("bf16", "q8_0"), series.getFirst().getXData());
    assertArrayEquals(new double[] {512, 1024}, series.getFirst().getYData());
    assertArrayEquals(new double[] {256, Double.NaN}, series.getLast().getYData(), "no bar");
    assertArrayEquals(
        new double[] {33.3},
        charts.get("peers-generate-0").getSeriesCollection().iterator().next().getYData());
  }

  @Test
  void picturesAreFiles() throws IOException {
    List<Path> files = PeerPlots.write(json(RUN), folder.resolve("out"));
    assertEquals(4, files.size());
    assertTrue(Files.readString(files.getFirst()).contains("<svg"));
  }

  @Test
  void whatIsNoRunIsNamed() throws IOException {
    for (String text : List.of("{", "{}", "{\"rows\": []}", "[]")) {
      Path file = json(text);
      BenchException e = assertThrows(BenchException.class, () -> PeerPlots.charts(file));
      assertTrue(e.getMessage().startsWith(file.toString()), e.getMessage());
    }
  }
}

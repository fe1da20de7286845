package io.mla4j.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.awt.image.BufferedImage;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYSeries;

/** What a report becomes: pictures, a page, tables, and what a comparison says. */
class OutputsTest {
  @TempDir Path folder;

  @Test
  void everyPictureHasATitleAndAxesWithUnits() {
    var charts = Plots.charts(Reports.full());
    assertEquals(
        Set.of(
            "roofline", "time-by-context", "cache-by-context", "share-by-heads", "rate-by-threads"),
        charts.keySet());
    for (XYChart chart : charts.values()) {
      assertFalse(chart.getTitle().isBlank());
      assertFalse(chart.getXAxisTitle().isBlank());
      assertTrue(
          chart.getYAxisTitle().matches(".*(GFLOP/s|%|MiB|microseconds).*"), chart.getYAxisTitle());
      assertTrue(chart.getSeriesCollection().size() >= 2, chart.getTitle());
    }
    assertTrue(charts.get("roofline").getStyler().isXAxisLogarithmic());
    assertTrue(charts.get("time-by-context").getStyler().isYAxisLogarithmic());
    assertEquals(
        Set.of("MHA", "GQA", "MQA", "MLA"),
        charts.get("cache-by-context").getSeriesCollection().stream()
            .map(XYSeries::getName)
            .collect(Collectors.toSet()));
  }

  @Test
  void filesAreWrittenAndThePageNeedsNothingElse() throws Exception {
    List<Path> files = Plots.write(Reports.full(), folder, CacheTable.Budget.USUAL);
    Set<String> names =
        files.stream().map(f -> f.getFileName().toString()).collect(Collectors.toSet());
    assertEquals(11, names.size());
    BufferedImage image = ImageIO.read(folder.resolve("share-by-heads.png").toFile());
    long colours =
        Arrays.stream(
                image.getRGB(0, 0, image.getWidth(), image.getHeight(), null, 0, image.getWidth()))
            .distinct()
            .count();
    assertTrue(colours > 10, "the picture has " + colours + " colours");
    assertTrue(Files.readString(folder.resolve("roofline.svg")).contains("<svg"));
    String page = Files.readString(folder.resolve("index.html"));
    assertEquals(5, page.split("<svg", -1).length - 1);
    assertTrue(page.contains("<table>"));
    assertFalse(page.matches("(?s).*(src|href)=\"(?!data:|#).*"));
  }

  @Test
  void noLineGoesThroughRowsThatDifferInMoreThanItsAxis() {
    List<Row> rows = new ArrayList<>();
    for (int heads : new int[] {16, 32, 64}) {
      for (int tokens : new int[] {1024, 4096}) {
        for (int threads : new int[] {1, 2}) {
          Row row = Reports.attention("mla", "native", heads, tokens, threads, 1e3 * heads);
          for (String compute : new String[] {"bf16", "f32"}) {
            for (String cache : new String[] {"bf16", "f32"}) {
              for (int page : new int[] {16, 64}) {
                rows.add(Reports.with(row, compute, cache, page));
              }
            }
          }
        }
      }
    }
    Plots.charts(new Report(Reports.MACHINE, List.of(), rows))
        .forEach(
            (name, chart) -> {
              if (name.equals("roofline")) {
                return;
              }
              assertTrue(chart.getSeriesCollection().size() >= 8, name);
              chart
                  .getSeriesCollection()
                  .forEach(
                      series ->
                          assertEquals(
                              series.getXData().length,
                              Arrays.stream(series.getXData()).distinct().count(),
                              () -> name + ": " + series.getName()));
            });
  }

  @Test
  void aLadderOfWorkingSetsIsAPictureAndATable() throws Exception {
    List<Peak> peaks =
        List.of(
            new Peak("fma_f32", "native", "avx2", 1, null, 100, 1, "GFLOP/s"),
            new Peak("read", "native", "avx2", 1, 1L << 14, 200, 1, "GB/s"),
            new Peak("read", "native", "avx2", 1, 1L << 26, 30, 1, "GB/s"),
            new Peak("read", "native", "avx2", 1, 0L, 20, 1, "GB/s"));
    Report report = new Report(Reports.MACHINE, peaks, List.of());
    assertEquals(Set.of("bandwidth"), Plots.charts(report).keySet());
    Plots.write(report, folder, CacheTable.Budget.USUAL);
    assertTrue(Files.readString(folder.resolve("index.html")).contains("<svg"));
    List<String> lines = CsvReport.text(report).lines().toList();
    assertEquals("what,source,isa,threads,workingSetBytes,rate,mad,unit", lines.getFirst());
    assertEquals("read,native,avx2,1,16384,200.000,1.00000,GB/s", lines.get(2));
    assertEquals(5, lines.size());
  }

  @Test
  void kindsStandSideBySideWhereAllElseIsTheSame() {
    List<Row> rows = new ArrayList<>();
    for (int threads : new int[] {1, 2}) {
      rows.add(Reports.attention("mla", "native", 16, 1024, threads, 1e5 / threads));
      rows.add(Reports.attention("mla", "vector", 16, 1024, threads, 1e4 / threads));
    }
    rows.add(Reports.attention("mha", "native", 16, 1024, 2, 1e6));
    Report report = new Report(Reports.MACHINE, List.of(), rows);
    List<String> lines =
        CacheTable.of(report, new CacheTable.Budget(1L << 30, 10)).toString().lines().toList();
    assertEquals(3, lines.size(), lines::toString);
    assertTrue(lines.getFirst().contains("tokens in 1.0 GiB, 10 layers"), lines::toString);
    // 1 GiB / (10 x 512 x 16) and / (10 x 1152).
    assertTrue(lines.get(1).contains("13,107") && lines.get(1).contains("mha"), lines::toString);
    assertTrue(
        lines.get(2).contains("93,206") && lines.get(2).contains("50.00 us"), lines::toString);
    assertFalse(CacheTable.applies(new Report(Reports.MACHINE, List.of(), rows.subList(0, 4))));
  }

  @Test
  void aReportWithOneRowHasNoPictureOfOnePoint() {
    Row row = Reports.attention("mla", "native", 16, 1024, 1, 1e5);
    assertEquals(
        Set.of("roofline"),
        Plots.charts(new Report(Reports.MACHINE, List.of(), List.of(row))).keySet());
  }

  @Test
  void csvHasALineForEachRow() {
    String[] lines = CsvReport.text(Reports.full()).split("\n");
    assertEquals(1 + Reports.full().rows().size(), lines.length);
    int columns = lines[0].split(",", -1).length;
    assertEquals(columns, lines[1].split(",", -1).length);
    assertTrue(lines[1].startsWith("attention,mla,native,avx512bf16,,absorbed,8,1024,1,1,1,"));
  }

  @Test
  void markdownHasATableForEachBenchmarkAndTheContexts() {
    String text = MarkdownReport.text(Reports.full(), CacheTable.Budget.USUAL);
    assertTrue(text.startsWith("Machine: Test, 2 processors"));
    assertTrue(text.contains("### attention"));
    // 16 GiB / (61 x 1152) and / (61 x 128 x 512).
    assertTrue(text.contains("| 128 | mla | bf16 | 1,152 | 244,476 |"), text);
    assertTrue(text.contains("| 128 | mha | bf16 | 65,536 | 4,297 |"));
  }

  @Test
  void comparisonListsWhatChangedBeyondTheNoise() throws Exception {
    List<Row> before =
        List.of(
            Reports.attention("mla", "native", 16, 1024, 1, 100_000),
            Reports.attention("mla", "native", 32, 1024, 1, 100_000),
            Reports.attention("mla", "native", 64, 1024, 1, 100_000));
    List<Row> after =
        List.of(
            Reports.attention("mla", "native", 16, 1024, 1, 102_000),
            Reports.attention("mla", "native", 32, 1024, 1, 80_000),
            Reports.attention("mla", "native", 128, 1024, 1, 100_000));
    Path a = Files.writeString(folder.resolve("a.json"), json(before));
    Path b = Files.writeString(folder.resolve("b.json"), json(after));
    Comparison comparison = Comparison.of(a, b);
    assertEquals(1, comparison.changed().size());
    assertTrue(
        comparison.changed().getFirst().contains("32 heads"), comparison.changed()::toString);
    assertTrue(comparison.changed().getFirst().contains("1.25 times as fast"));
    assertEquals(1, comparison.unchanged());
    assertEquals(2, comparison.onlyInOne().size());
  }

  private static String json(List<Row> rows) {
    return JsonReport.text(new Report(Reports.MACHINE, List.of(), rows));
  }

  @Test
  void oneSampleDoesNotTellItsNoise() throws Exception {
    Row row = Reports.attention("mla", "native", 16, 1024, 1, 100_000);
    double[] alone = {110_000};
    Row once = Row.of(row.axes(), row.work(), alone, new Row.Bounds(500, 40, true));
    Path a = Files.writeString(folder.resolve("a.json"), json(List.of(row)));
    Path b = Files.writeString(folder.resolve("b.json"), json(List.of(once)));
    Comparison comparison = Comparison.of(a, b);
    assertEquals(List.of(), comparison.changed());
    assertEquals(1, comparison.unknown().size());
    assertTrue(comparison.unknown().getFirst().contains("1.10 times as slow"));
  }

  @Test
  void comparisonShowsWhetherMemoryChanged() throws Exception {
    Row row = Reports.attention("mla", "native", 16, 1024, 1, 100_000);
    double[] slow = {100_000, 100_000, 100_000};
    double[] fast = {50_000, 50_000, 50_000};
    Row before = Row.of(row.axes(), row.work(), slow, new Row.Bounds(5000, 40, true));
    Row after = Row.of(row.axes(), row.work(), fast, new Row.Bounds(5000, 80, true));
    Path a = Files.writeString(folder.resolve("a.json"), json(List.of(before)));
    Path b = Files.writeString(folder.resolve("b.json"), json(List.of(after)));
    String change = Comparison.of(a, b).changed().getFirst();
    assertTrue(change.matches(".*2.00 times as fast \\(of bandwidth (\\d+) % -> \\1 %\\)"), change);
  }

  @Test
  void noiseHidesSmallChanges() throws Exception {
    Row quiet = Reports.attention("mla", "native", 16, 1024, 1, 100_000);
    double[] spread = {90_000, 110_000, 130_000};
    Row noisy = Row.of(quiet.axes(), quiet.work(), spread, new Row.Bounds(500, 40, true));
    assertTrue(noisy.noisy());
    Path a = Files.writeString(folder.resolve("a.json"), json(List.of(quiet)));
    Path b = Files.writeString(folder.resolve("b.json"), json(List.of(noisy)));
    assertEquals(1, Comparison.of(a, b).unchanged());
  }
}

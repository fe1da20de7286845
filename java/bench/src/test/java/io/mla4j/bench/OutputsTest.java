package io.mla4j.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.awt.image.BufferedImage;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.knowm.xchart.XYChart;

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
      assertTrue(chart.getSeriesMap().size() >= 2, chart.getTitle());
    }
    assertTrue(charts.get("roofline").getStyler().isXAxisLogarithmic());
    assertTrue(charts.get("time-by-context").getStyler().isYAxisLogarithmic());
    assertEquals(
        Set.of("MHA", "GQA", "MQA", "MLA"), charts.get("cache-by-context").getSeriesMap().keySet());
  }

  @Test
  void filesAreWrittenAndThePageNeedsNothingElse() throws Exception {
    List<Path> files = Plots.write(Reports.full(), folder);
    Set<String> names =
        files.stream().map(f -> f.getFileName().toString()).collect(Collectors.toSet());
    assertEquals(11, names.size());
    BufferedImage image = ImageIO.read(folder.resolve("share-by-heads.png").toFile());
    long colours =
        java.util.Arrays.stream(
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
    String text = MarkdownReport.text(Reports.full());
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
  void noiseHidesSmallChanges() throws Exception {
    Row quiet = Reports.attention("mla", "native", 16, 1024, 1, 100_000);
    double[] spread = {90_000, 110_000, 130_000};
    Row noisy = Row.of(quiet.axes(), quiet.work(), spread, 500, 40, true, 0, Double.NaN, false);
    assertTrue(noisy.noisy());
    Path a = Files.writeString(folder.resolve("a.json"), json(List.of(quiet)));
    Path b = Files.writeString(folder.resolve("b.json"), json(List.of(noisy)));
    assertEquals(1, Comparison.of(a, b).unchanged());
  }
}

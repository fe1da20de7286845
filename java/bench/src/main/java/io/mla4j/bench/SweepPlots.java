package io.mla4j.bench;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.knowm.xchart.HeatMapChart;
import org.knowm.xchart.XYChart;

/** The pictures of a sweep. */
final class SweepPlots {
  /** Lines of a picture of layers: more could not be told apart. */
  private static final int MOST_LAYERS = 6;

  /** What is lost below this share is not drawn. */
  private static final double LEAST_SHARE = 1e-5;

  private final SweepResults results;
  private final Path folder;
  private final List<Path> files = new ArrayList<>();

  /** The cache type of pictures that show one. */
  private final String plain;

  private SweepPlots(SweepResults results, Path folder) {
    this.results = results;
    this.folder = folder;
    plain = results.original().cache();
  }

  /**
   * Writes every picture.
   *
   * @return the files
   * @throws BenchException where the folder cannot be written or the machine has no fonts
   */
  static List<Path> write(SweepResults results, Path folder) {
    SweepPlots plots = new SweepPlots(results, folder);
    try {
      plots.drawMethods();
      plots.drawTypes();
      plots.drawSpectrum();
      plots.drawHeat();
    } catch (IOException e) {
      throw new BenchException("--plot " + folder + ": " + e.getMessage(), e);
    } catch (InternalError | NoClassDefFoundError | UnsatisfiedLinkError e) {
      throw Pictures.withoutFonts(e);
    }
    return plots.files;
  }

  private List<SweepResults.Point> points(String method, String cache) {
    return results.points().stream()
        .filter(p -> p.method().equals(method) && p.cache().equals(cache))
        .toList();
  }

  /** The methods that have points, in the order in which they were tried. */
  private List<String> methods() {
    return results.points().stream()
        .map(SweepResults.Point::method)
        .filter(method -> !method.equals(SweepResults.ORIGINAL))
        .distinct()
        .toList();
  }

  private void drawMethods() throws IOException {
    XYChart chart =
        PlotStyle.chart(
            "Perplexity over the cache, by method",
            "bytes of a token (" + plain + ")",
            "perplexity");
    List<String> methods = methods();
    // Lines first: they take the colours in their order.
    for (String method : methods) {
      line(chart, method, SweepResults.front(points(method, plain)));
    }
    line(chart, SweepResults.ORIGINAL, points(SweepResults.ORIGINAL, plain));
    for (int m = 0; m < methods.size(); m++) {
      List<SweepResults.Point> all = points(methods.get(m), plain);
      PlotStyle.addUnnamedPoints(chart, methods.get(m) + ", others", m, bytes(all), values(all));
    }
    PlotStyle.logarithmic(chart);
    Pictures.write(chart, folder, "sweep-methods", files);
  }

  private void drawTypes() throws IOException {
    List<String> types =
        results.points().stream().map(SweepResults.Point::cache).distinct().toList();
    if (methods().isEmpty() || types.size() < 2) {
      return;
    }
    String method = methods().getFirst();
    XYChart chart =
        PlotStyle.chart(
            "Bytes saved by rank and by bits: " + method, "bytes of a token", "perplexity");
    for (String type : types) {
      line(chart, method + ", " + type, SweepResults.front(points(method, type)));
    }
    for (String type : types) {
      line(chart, SweepResults.ORIGINAL + ", " + type, points(SweepResults.ORIGINAL, type));
    }
    Pictures.write(chart, folder, "sweep-types", files);
  }

  private static void line(XYChart chart, String name, List<SweepResults.Point> points) {
    if (!points.isEmpty()) {
      PlotStyle.addLine(chart, name, bytes(points), values(points));
    }
  }

  private static double[] bytes(List<SweepResults.Point> points) {
    return points.stream().mapToDouble(SweepResults.Point::bytes).toArray();
  }

  private static double[] values(List<SweepResults.Point> points) {
    return points.stream().mapToDouble(SweepResults.Point::perplexity).toArray();
  }

  /** Of the first method, with the rotation in the middle of those that were tried. */
  private void drawSpectrum() throws IOException {
    List<SweepResults.Placement> placed =
        results.placements().stream()
            .filter(p -> p.refused() == null && p.method().equals(methods().getFirst()))
            .toList();
    if (placed.isEmpty()) {
      return;
    }
    SweepResults.Placement chosen = placed.get(placed.size() / 2);
    XYChart chart =
        PlotStyle.chart(
            "What a latent loses, by layer: " + chosen.method() + ", rope " + chosen.rope(),
            "numbers of the latent",
            "share of all squared singular values");
    int layers = chosen.spectra().size();
    int drawn = Math.min(layers, MOST_LAYERS);
    for (int i = 0; i < drawn; i++) {
      int layer = drawn == 1 ? 0 : i * (layers - 1) / (drawn - 1);
      double[] lost = lost(chosen.spectra().get(layer));
      double[] ranks = IntStream.rangeClosed(0, lost.length - 1).asDoubleStream().toArray();
      PlotStyle.addCurve(chart, "layer " + layer, ranks, lost);
    }
    new TreeSet<>(
            results.points().stream()
                .filter(p -> p.method().equals(chosen.method()) && p.rope() == chosen.rope())
                .map(SweepResults.Point::latent)
                .toList())
        .forEach(
            latent ->
                PlotStyle.addLimit(
                    chart,
                    "latent " + latent,
                    false,
                    new double[] {latent, latent},
                    new double[] {LEAST_SHARE, 1}));
    PlotStyle.logarithmicShares(chart, LEAST_SHARE);
    Pictures.write(chart, folder, "sweep-spectrum", files);
  }

  /** By the width of the latent, from 0 on. */
  private static double[] lost(double[] worth) {
    double[] lost = new double[worth.length + 1];
    for (int i = worth.length - 1; i >= 0; i--) {
      lost[i] = lost[i + 1] + worth[i];
    }
    double all = lost[0];
    return Arrays.stream(lost).map(x -> x / all).takeWhile(x -> x >= LEAST_SHARE).toArray();
  }

  private void drawHeat() throws IOException {
    for (String method : methods()) {
      Map<Integer, Map<Integer, Double>> byRope = new TreeMap<>();
      TreeSet<Integer> latents = new TreeSet<>();
      for (SweepResults.Point point : points(method, plain)) {
        byRope
            .computeIfAbsent(point.rope(), _ -> new TreeMap<>())
            .put(point.latent(), 100 * (point.perplexity() / results.original().perplexity() - 1));
        latents.add(point.latent());
      }
      List<Number[]> cells = new ArrayList<>();
      List<Integer> ropes = List.copyOf(byRope.keySet());
      List<Integer> columns = List.copyOf(latents);
      for (int x = 0; x < columns.size(); x++) {
        for (int y = 0; y < ropes.size(); y++) {
          Double change = byRope.get(ropes.get(y)).get(columns.get(x));
          if (change != null) {
            cells.add(new Number[] {x, y, Math.rint(10 * change) / 10});
          }
        }
      }
      HeatMapChart chart =
          PlotStyle.heatMap(
              "Change of perplexity (%): " + method, "numbers of the latent", "rotated numbers");
      chart.addSeries(method, columns, ropes, cells);
      PlotStyle.colours(chart, cells.stream().mapToDouble(c -> c[2].doubleValue()).toArray());
      Pictures.write(chart, folder, "sweep-heat-" + method, files);
    }
  }
}

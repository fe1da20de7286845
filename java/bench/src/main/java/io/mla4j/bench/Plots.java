package io.mla4j.bench;

import io.mla4j.Backends;
import io.mla4j.checkpoint.OutputFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.ToDoubleFunction;
import org.knowm.xchart.XYChart;

/** The pictures of a report: SVG and PNG files, and one page that shows them. */
public final class Plots {
  private static final String DECODE = "attention";

  /** Heads of the smaller models: shown beside the most that were measured. */
  private static final int FEW_HEADS = 16;

  private final Report report;
  private final Map<String, XYChart> charts = new LinkedHashMap<>();

  private Plots(Report report) {
    this.report = report;
    addRoofline();
    addContexts();
    addShares();
    addThreads();
    addBandwidth();
  }

  /**
   * Writes every picture for which the report has rows, and index.html.
   *
   * @param budget the memory whose context the page tells
   * @return the files
   * @throws BenchException where the folder cannot be written or the machine has no fonts
   */
  public static List<Path> write(Report report, Path folder, CacheTable.Budget budget) {
    List<Path> files = new ArrayList<>();
    Map<String, String> pictures = new LinkedHashMap<>();
    try {
      Files.createDirectories(folder);
      for (Map.Entry<String, XYChart> entry : new Plots(report).charts.entrySet()) {
        pictures.put(
            entry.getValue().getTitle(),
            Pictures.write(entry.getValue(), folder, entry.getKey(), files));
      }
      Path page = folder.resolve("index.html");
      OutputFile.write(page, HtmlPage.text(report, pictures, budget));
      files.add(page);
    } catch (IOException e) {
      throw new BenchException(folder + ": cannot be written: " + e.getMessage(), e);
    } catch (LinkageError | InternalError e) {
      throw Pictures.withoutFonts(e);
    }
    return files;
  }

  /** The charts by the name of their file. */
  static Map<String, XYChart> charts(Report report) {
    return new Plots(report).charts;
  }

  private void addRoofline() {
    List<Row> rows =
        rows(
            r ->
                r.peakGflops() != null
                    && r.peakGbps() != null
                    && !Backends.hasOwnMemory(r.text(Axis.BACKEND)) // has limits of its own
                    && !r.text(Axis.BENCHMARK).equals("model"));
    int threads = most(rows, r -> r.count(Axis.THREADS));
    rows = rows.stream().filter(r -> r.count(Axis.THREADS) == threads).toList();
    if (rows.isEmpty()) {
      return;
    }
    XYChart chart =
        PlotStyle.chart(
            "Roofline, " + PlotStyle.count(threads, "thread"),
            "FLOP per byte from memory",
            "GFLOP/s");
    double from = 0.7 * rows.stream().mapToDouble(Plots::intensity).min().orElse(1);
    double to = 1.5 * rows.stream().mapToDouble(Plots::intensity).max().orElse(1);
    double bandwidth = Statistics.median(values(rows, r -> r.peakGbps()));
    Map<String, List<Row>> byPeak = groups(rows, r -> isJava(r) ? "Java fp32" : "native");
    byPeak.forEach(
        (name, group) -> {
          double peak = group.stream().mapToDouble(r -> r.peakGflops()).max().orElse(1);
          double knee = Math.clamp(peak / bandwidth, from, to);
          PlotStyle.addLimit(
              chart,
              "limit, " + name,
              name.equals("native"),
              new double[] {from, knee, to},
              new double[] {
                Math.min(peak, from * bandwidth),
                Math.min(peak, knee * bandwidth),
                Math.min(peak, to * bandwidth)
              });
        });
    List<String> whats = rows.stream().map(Plots::what).distinct().sorted().toList();
    groups(rows, r -> what(r) + ", " + r.text(Axis.BACKEND))
        .forEach(
            (name, group) ->
                PlotStyle.addPoints(
                    chart,
                    name,
                    whats.indexOf(what(group.getFirst())),
                    isJava(group.getFirst()),
                    values(group, Plots::intensity),
                    values(group, Row::gflops)));
    PlotStyle.logarithmic(chart);
    charts.put("roofline", chart);
  }

  /** The kind of attention, or the benchmark. */
  private static String what(Row row) {
    return row.text(Axis.KIND) == null
        ? row.text(Axis.BENCHMARK)
        : row.text(Axis.KIND)
            + (row.text(Axis.BENCHMARK).equals(DECODE) ? "" : " " + row.text(Axis.BENCHMARK));
  }

  private static double intensity(Row row) {
    return (double) row.work().flop() / row.work().bytes();
  }

  /** Time and cache of a token against the context, for each kind of attention. */
  private void addContexts() {
    Predicate<Row> decode =
        r ->
            r.text(Axis.BENCHMARK).equals(DECODE)
                && !"decompressed".equals(r.text(Axis.FORM))
                && r.text(Axis.SHAPE) == null
                && r.count(Axis.BATCH) == 1
                && r.count(Axis.S_Q) == 1;
    List<Row> all = rows(decode.and(r -> !isJava(r) && r.text(Axis.LIBRARY) == null));
    if (all.isEmpty()) {
      all = rows(decode);
    }
    List<Row> decoded = all;
    int heads = most(decoded, r -> r.count(Axis.HEADS));
    int threads = most(decoded, r -> r.count(Axis.THREADS));
    List<Row> candidates =
        decoded.stream()
            .filter(r -> r.count(Axis.HEADS) == heads && r.count(Axis.THREADS) == threads)
            .toList();
    Function<Row, String> name =
        r ->
            kernels(
                r,
                candidates,
                r.text(Axis.KIND).toUpperCase(Locale.ROOT),
                List.of(
                    Axis.ISA,
                    Axis.LIBRARY,
                    Axis.COMPUTE,
                    Axis.CACHE_TYPE,
                    Axis.PAGE,
                    Axis.RESIDENCY));
    List<Row> rows = best(candidates, name, r -> r.count(Axis.TOKENS));
    if (rows.stream().map(r -> r.count(Axis.TOKENS)).distinct().count() < 2) {
      return;
    }
    String of = PlotStyle.count(heads, "head") + " of 128";
    XYChart time =
        PlotStyle.chart(
            "Attention of one token in one layer, "
                + of
                + ", "
                + PlotStyle.count(threads, "thread"),
            "context (tokens)",
            "time (microseconds)");
    XYChart cache = PlotStyle.chart("Cache of one layer, " + of, "context (tokens)", "cache (MiB)");
    groups(rows, name)
        .forEach(
            (kind, group) -> {
              double[] tokens = values(group, r -> r.count(Axis.TOKENS));
              PlotStyle.addLine(time, kind, tokens, values(group, r -> r.medianNs() / 1e3));
              PlotStyle.addLine(
                  cache,
                  kind,
                  tokens,
                  values(group, r -> r.work().cacheBytes() / (double) (1 << 20)));
            });
    PlotStyle.logarithmic(time);
    PlotStyle.logarithmic(cache);
    charts.put("time-by-context", time);
    charts.put("cache-by-context", cache);
  }

  /** Share of the row's own peak by heads. */
  private void addShares() {
    List<Row> mla = mlaDecode();
    int tokens = most(mla, r -> r.count(Axis.TOKENS));
    List<Row> rows = mla.stream().filter(r -> r.count(Axis.TOKENS) == tokens).toList();
    XYChart chart =
        PlotStyle.chart(
            "Share of the peak: MLA decode at " + tokens + " tokens, cold",
            "heads",
            "share of the measured peak (%)");
    PlotStyle.fromZero(chart, 100);
    addLines(
        chart,
        rows,
        r -> isaAnd(r, rows) + ", " + PlotStyle.count(r.count(Axis.THREADS), "thread"),
        r -> r.count(Axis.HEADS),
        r -> 100 * r.shareOfPeak());
    addWhereLines("share-by-heads", chart, rows, r -> r.count(Axis.HEADS));
  }

  /** GFLOP/s by threads. */
  private void addThreads() {
    List<Row> mla = mlaDecode();
    int tokens = most(mla, r -> r.count(Axis.TOKENS));
    int mostHeads = most(mla, r -> r.count(Axis.HEADS));
    boolean hasFew = mla.stream().anyMatch(r -> r.count(Axis.HEADS) == FEW_HEADS);
    List<Row> rows =
        mla.stream()
            .filter(r -> r.count(Axis.TOKENS) == tokens)
            .filter(
                r -> r.count(Axis.HEADS) == mostHeads || hasFew && r.count(Axis.HEADS) == FEW_HEADS)
            .toList();
    XYChart chart =
        PlotStyle.chart(
            "Rate by threads: MLA decode at " + tokens + " tokens, cold", "threads", "GFLOP/s");
    PlotStyle.fromZero(chart, Double.NaN);
    PlotStyle.wholeNumbers(chart, most(rows, r -> r.count(Axis.THREADS)));
    addLines(
        chart,
        rows,
        r -> isaAnd(r, rows) + ", " + PlotStyle.count(r.count(Axis.HEADS), "head"),
        r -> r.count(Axis.THREADS),
        Row::gflops);
    addWhereLines("rate-by-threads", chart, rows, r -> r.count(Axis.THREADS));
  }

  private static void addLines(
      XYChart chart,
      List<Row> rows,
      Function<Row, String> name,
      Function<Row, Integer> x,
      ToDoubleFunction<Row> y) {
    groups(best(rows, name, x), name)
        .forEach(
            (title, line) ->
                PlotStyle.addLine(chart, title, values(line, r -> x.apply(r)), values(line, y)));
  }

  /** A chart of points one above the other shows nothing. */
  private void addWhereLines(String file, XYChart chart, List<Row> rows, Function<Row, Integer> x) {
    if (rows.stream().map(x).distinct().count() > 1) {
      charts.put(file, chart);
    }
  }

  /** GB/s by the bytes that are read again and again. */
  private void addBandwidth() {
    List<Peak> ladder =
        report.peaks().stream()
            .filter(p -> p.workingSetBytes() != null && p.workingSetBytes() > 0)
            .sorted(Comparator.comparing(Peak::workingSetBytes))
            .toList();
    if (ladder.stream().map(Peak::workingSetBytes).distinct().count() < 2) {
      return;
    }
    XYChart chart =
        PlotStyle.chart(
            "Bandwidth of reading the same memory again and again",
            "memory of one thread (KiB)",
            "bandwidth (GB/s)");
    Map<String, List<Peak>> lines = new TreeMap<>();
    for (Peak p : ladder) {
      String name = p.source() + ", " + PlotStyle.count(p.threads(), "thread");
      lines.computeIfAbsent(name, _ -> new ArrayList<>()).add(p);
    }
    lines.forEach(
        (name, line) ->
            PlotStyle.addLine(
                chart,
                name,
                line.stream().mapToDouble(p -> p.workingSetBytes() / 1024.0).toArray(),
                line.stream().mapToDouble(Peak::rate).toArray()));
    PlotStyle.logarithmic(chart);
    charts.put("bandwidth", chart);
  }

  private List<Row> mlaDecode() {
    return rows(
        r ->
            r.text(Axis.BENCHMARK).equals(DECODE)
                && "mla".equals(r.text(Axis.KIND))
                && "absorbed".equals(r.text(Axis.FORM))
                && r.text(Axis.SHAPE) == null
                && r.count(Axis.BATCH) == 1
                && r.count(Axis.S_Q) == 1
                && r.shareOfPeak() != null
                && "cold".equals(r.text(Axis.RESIDENCY)));
  }

  private static String isaAnd(Row row, List<Row> all) {
    return kernels(
        row,
        all,
        row.text(Axis.ISA),
        List.of(Axis.LIBRARY, Axis.COMPUTE, Axis.CACHE_TYPE, Axis.PAGE));
  }

  /** The start of a name, with the value of every axis of which there are several. */
  private static String kernels(Row row, List<Row> all, String start, List<Axis> axes) {
    StringBuilder name = new StringBuilder(start);
    for (Axis axis : axes) {
      if (all.stream().map(r -> part(r, axis)).distinct().count() > 1) {
        String part = part(row, axis);
        name.append(part.isEmpty() ? "" : " ").append(part);
      }
    }
    return name.toString();
  }

  private static String part(Row row, Axis axis) {
    Object value = row.axes().get(axis);
    return switch (axis) {
      case LIBRARY -> value == null ? "" : Path.of((String) value).getFileName().toString();
      case CACHE_TYPE -> "cache " + value;
      case PAGE -> "page " + value;
      default -> value.toString();
    };
  }

  private static boolean isJava(Row row) {
    return row.text(Axis.BACKEND).equals("vector") || row.text(Axis.BACKEND).equals("scalar");
  }

  private List<Row> rows(Predicate<Row> wanted) {
    return report.rows().stream().filter(wanted).toList();
  }

  /** The fastest of the rows that have a name and an x in common, by x. */
  private static List<Row> best(
      List<Row> rows, Function<Row, String> name, Function<Row, Integer> x) {
    Map<String, Row> best = new LinkedHashMap<>();
    for (Row row : sorted(rows, x)) {
      best.merge(
          name.apply(row) + " at " + x.apply(row),
          row,
          (a, b) -> a.medianNs() <= b.medianNs() ? a : b);
    }
    return List.copyOf(best.values());
  }

  private static int most(List<Row> rows, Function<Row, Integer> axis) {
    return rows.stream().map(axis).max(Integer::compare).orElse(0);
  }

  private static List<Row> sorted(List<Row> rows, Function<Row, Integer> axis) {
    return rows.stream().sorted(Comparator.comparing(axis)).toList();
  }

  private static Map<String, List<Row>> groups(List<Row> rows, Function<Row, String> name) {
    Map<String, List<Row>> groups = new TreeMap<>();
    rows.forEach(r -> groups.computeIfAbsent(name.apply(r), _ -> new ArrayList<>()).add(r));
    return groups;
  }

  private static double[] values(List<Row> rows, ToDoubleFunction<Row> value) {
    return rows.stream().mapToDouble(value).toArray();
  }
}

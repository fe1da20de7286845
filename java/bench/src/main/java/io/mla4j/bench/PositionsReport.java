package io.mla4j.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import io.mla4j.checkpoint.OutputFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.knowm.xchart.XYChart;

/**
 * The results of {@link PositionsBench} as tables, JSON and pictures.
 *
 * @param about the model, the text and the tokens, in one line
 * @param contexts lengths of windows, rising
 * @param results the settings, what the configuration says first
 */
public record PositionsReport(
    String about, List<Integer> contexts, List<PositionsBench.Result> results) {
  /** How much perplexity may rise before a setting counts as lost. */
  private static final double TOLERATED = 1.05;

  /** The tables, as Markdown, and how far each setting holds out. */
  public String markdown() {
    StringBuilder text = new StringBuilder(about).append("\n\n");
    text.append("Perplexity of the same tokens in windows of so many.\n\n");
    text.append(
        table(
            contexts.stream().map(String::valueOf).toList(), PositionsBench.Result::perplexities));
    text.append("\nBy the position in windows of ").append(contexts.getLast()).append(".\n\n");
    List<String> buckets =
        IntStream.range(0, contexts.size())
            .mapToObj(i -> (i == 0 ? 0 : contexts.get(i - 1)) + " to " + (contexts.get(i) - 1))
            .toList();
    text.append(table(buckets, PositionsBench.Result::byPosition)).append('\n');
    for (PositionsBench.Result r : results) {
      text.append(r.how()).append(": ").append(verdict(r)).append('\n');
    }
    return text.toString();
  }

  private String table(
      List<String> columns, Function<PositionsBench.Result, List<Double>> numbers) {
    List<String> titles = new ArrayList<>(columns);
    titles.addFirst("positions");
    TextTable table = new TextTable(titles.toArray(String[]::new));
    for (PositionsBench.Result r : results) {
      if (r.refused().isEmpty()) {
        List<String> cells = new ArrayList<>(List.of(r.how()));
        for (int i = 0; i < columns.size(); i++) {
          boolean there = i < numbers.apply(r).size() && !numbers.apply(r).get(i).isNaN();
          cells.add(there ? String.format(Locale.ROOT, "%.2f", numbers.apply(r).get(i)) : "-");
        }
        table.add(cells.toArray(String[]::new));
      }
    }
    return table.markdown();
  }

  /**
   * The longest context up to which perplexity never is more than 5 % above that of the shortest
   * windows as configured; 0 where already those are worse.
   */
  int holdsTo(PositionsBench.Result r) {
    double limit = TOLERATED * results.getFirst().perplexities().getFirst();
    int held = 0;
    for (int i = 0; i < r.perplexities().size() && r.perplexities().get(i) <= limit; i++) {
      held = contexts.get(i);
    }
    return held;
  }

  private String verdict(PositionsBench.Result r) {
    if (r.refused().isPresent()) {
      return "refused, " + r.refused().get();
    }
    int held = holdsTo(r);
    return held == 0
        ? "does not hold out, not even in windows of " + contexts.getFirst()
        : "holds out to "
            + held
            + (held == contexts.getLast() ? ", the longest that was tried" : "");
  }

  /** Writes the JSON. */
  public void write(Path json) {
    Map<String, Object> root = new LinkedHashMap<>();
    root.put("about", about);
    root.put("contexts", contexts);
    root.put("results", results.stream().map(this::object).toList());
    try {
      OutputFile.write(
          json,
          new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT).writeValueAsString(root));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private Map<String, Object> object(PositionsBench.Result r) {
    Map<String, Object> object = new LinkedHashMap<>();
    object.put("positions", r.how());
    r.refused().ifPresent(why -> object.put("refused", why));
    if (r.refused().isEmpty()) {
      object.put("perplexity", withoutNaN(r.perplexities()));
      object.put("perplexityByPosition", withoutNaN(r.byPosition()));
      object.put("holdsTo", holdsTo(r));
    }
    return object;
  }

  private static List<Double> withoutNaN(List<Double> numbers) {
    List<Double> all = new ArrayList<>();
    numbers.forEach(number -> all.add(number.isNaN() ? null : number));
    return all;
  }

  /** Draws perplexity over the context, and over the position: SVG and PNG files. */
  public List<Path> plot(Path folder) {
    List<Path> files = new ArrayList<>();
    try {
      draw(
          "positions-context",
          "Perplexity of the same tokens",
          "tokens of a window",
          PositionsBench.Result::perplexities,
          folder,
          files);
      draw(
          "positions-position",
          "Perplexity by position, windows of " + contexts.getLast(),
          "position",
          PositionsBench.Result::byPosition,
          folder,
          files);
    } catch (IOException e) {
      throw new BenchException("--plot " + folder + ": " + e.getMessage(), e);
    } catch (InternalError | NoClassDefFoundError | UnsatisfiedLinkError e) {
      throw Pictures.withoutFonts(e);
    }
    return files;
  }

  private void draw(
      String name,
      String title,
      String x,
      Function<PositionsBench.Result, List<Double>> numbers,
      Path folder,
      List<Path> files)
      throws IOException {
    XYChart chart = PlotStyle.chart(title, x, "perplexity");
    for (PositionsBench.Result r : results) {
      double[] y =
          numbers.apply(r).stream()
              .takeWhile(number -> !number.isNaN())
              .mapToDouble(number -> number)
              .toArray();
      if (y.length > 0) {
        double[] at = contexts.subList(0, y.length).stream().mapToDouble(c -> c).toArray();
        PlotStyle.addLine(chart, r.how(), at, y);
      }
    }
    if (!chart.getSeriesCollection().isEmpty()) {
      PlotStyle.logarithmic(chart);
      Pictures.write(chart, folder, name, files);
    }
  }
}

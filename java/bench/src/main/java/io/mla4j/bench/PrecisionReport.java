package io.mla4j.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import io.mla4j.AttentionForm;
import io.mla4j.checkpoint.OutputFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.knowm.xchart.XYChart;

/**
 * The results of {@link PrecisionBench} as tables, JSON and pictures.
 *
 * @param about the model, the text and the processor, in one line
 * @param results of all settings, backend by backend
 */
public record PrecisionReport(String about, List<PrecisionResult> results) {
  private static final ObjectMapper MAPPER =
      new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);

  // Columns of the summary.
  private static final int BACKEND = 0;
  private static final int COMPUTE = 3;
  private static final int FORM = 4;

  /** The compute type's column in the tables by layer. */
  private static final int LAYERS_COMPUTE = 1;

  /** The tables, as Markdown. */
  public String markdown() {
    StringBuilder text = new StringBuilder(about).append("\n\n");
    text.append("Every setting.\n\n").append(summary().markdown());
    text.append("\nAttention's output against double precision by layer, mean.\n\n");
    text.append(byLayer(r -> r.layers().stream().mapToDouble(l -> mean(l.out())).toArray()));
    text.append("\nThe residual stream against the reference after each branch, relative.\n\n");
    text.append(byLayer(PrecisionResult::residuals));
    results.stream()
        .filter(r -> r.refused() != null)
        .forEach(r -> text.append("\n").append(name(r.setting())).append(": ").append(r.refused()));
    return text.toString();
  }

  private static String name(PrecisionSetting s) {
    return backend(s) + ", " + s.types() + ", " + PrecisionSetting.lower(s.form());
  }

  private static String backend(PrecisionSetting s) {
    return s.backend().backend() + (s.backend().isa() == null ? "" : " " + s.backend().isa());
  }

  /** Settings with the same figures are one row. */
  private TextTable summary() {
    TextTable table =
        new TextTable(
            "backend",
            "cache",
            "bytes a token and layer",
            "compute",
            "form",
            "output, mean",
            "99 %",
            "worst",
            "lse, worst",
            "perplexity",
            "change",
            "KL, mean",
            "KL, worst",
            "same greedy tokens");
    List<String[]> rows = measured().map(this::cells).toList();
    for (int column : new int[] {BACKEND, COMPUTE, FORM}) {
      rows = merged(rows, column);
    }
    rows.forEach(table::add);
    return table;
  }

  private String[] cells(PrecisionResult r) {
    double[] out = r.out();
    double[] kl = r.divergence().clone();
    Arrays.sort(kl);
    return new String[] {
      backend(r.setting()),
      PrecisionSetting.lower(r.setting().cache()),
      Long.toString(r.tokenBytes()),
      r.setting().computes(),
      PrecisionSetting.lower(r.setting().form()),
      number(mean(out)),
      number(PrecisionResult.quantile(out, 0.99)),
      number(PrecisionResult.worst(out)),
      number(PrecisionResult.worst(r.lse())),
      String.format(Locale.ROOT, "%.4f", r.perplexity()),
      String.format(Locale.ROOT, "%+.3f %%", 100 * (r.perplexity() / reference().perplexity() - 1)),
      number(mean(kl)),
      number(PrecisionResult.worst(kl)),
      r.greedy().agreed() + " of " + r.greedy().all()
    };
  }

  /** Rows that differ in a column alone become the first of them, with the cells of all. */
  private static List<String[]> merged(List<String[]> rows, int column) {
    Map<List<String>, String[]> found = new LinkedHashMap<>();
    for (String[] row : rows) {
      List<String> others = new ArrayList<>(Arrays.asList(row));
      others.remove(column);
      String[] same = found.putIfAbsent(others, row);
      if (same != null) {
        same[column] += " / " + row[column];
      }
    }
    return List.copyOf(found.values());
  }

  /** The first of them rounds nothing. */
  private PrecisionResult reference() {
    return measured().findFirst().orElseThrow();
  }

  private Stream<PrecisionResult> measured() {
    return results.stream().filter(r -> r.refused() == null);
  }

  /** Of one backend and the absorbed form: the others differ by float32 sums. */
  private List<PrecisionResult> chosen() {
    Object backend = reference().setting().backend();
    return measured()
        .filter(r -> r.setting().backend().equals(backend))
        .filter(r -> r.setting().form() == AttentionForm.ABSORBED)
        .toList();
  }

  /** What a setting has for each layer. */
  private interface Curve {
    double[] of(PrecisionResult result);
  }

  private String byLayer(Curve curve) {
    int count = curve.of(reference()).length;
    List<String> titles = new ArrayList<>(List.of("cache", "compute"));
    IntStream.rangeClosed(1, count).forEach(i -> titles.add(Integer.toString(i)));
    TextTable table = new TextTable(titles.toArray(String[]::new));
    List<String[]> rows = new ArrayList<>();
    for (PrecisionResult r : chosen()) {
      List<String> cells = new ArrayList<>();
      cells.add(PrecisionSetting.lower(r.setting().cache()));
      cells.add(r.setting().computes());
      Arrays.stream(curve.of(r)).forEach(value -> cells.add(number(value)));
      rows.add(cells.toArray(String[]::new));
    }
    merged(rows, LAYERS_COMPUTE).forEach(table::add);
    return table.markdown();
  }

  private static double mean(double[] values) {
    return PrecisionResult.mean(values);
  }

  private static String number(double value) {
    return Double.isNaN(value) ? "" : String.format(Locale.ROOT, "%.1e", value);
  }

  /** Everything, the layers' figures too. */
  public String json() {
    Map<String, Object> all = new LinkedHashMap<>();
    all.put("about", about);
    all.put("results", results.stream().map(PrecisionReport::object).toList());
    try {
      return MAPPER.writeValueAsString(all) + "\n";
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static Map<String, Object> object(PrecisionResult r) {
    Map<String, Object> object = new LinkedHashMap<>();
    object.put("backend", r.setting().backend().backend());
    object.put("isa", r.setting().backend().isa());
    object.put("cache", PrecisionSetting.lower(r.setting().cache()));
    object.put("compute", PrecisionSetting.lower(r.setting().compute()));
    object.put("probability_bits", r.setting().probabilities().bits());
    object.put("form", PrecisionSetting.lower(r.setting().form()));
    if (r.refused() != null) {
      object.put("refused", r.refused());
      return object;
    }
    object.put("token_bytes", r.tokenBytes());
    object.put("output", errors(r.out()));
    object.put("lse", errors(r.lse()));
    object.put("output_by_layer", r.layers().stream().map(l -> mean(l.out())).toList());
    object.put("lse_by_layer", r.layers().stream().map(l -> mean(l.lse())).toList());
    object.put("residuals", r.residuals());
    object.put("perplexity", r.perplexity());
    object.put("divergence", errors(Arrays.stream(r.divergence()).sorted().toArray()));
    object.put("greedy", r.greedy());
    return object;
  }

  private static Map<String, Object> errors(double[] ascending) {
    Map<String, Object> errors = new LinkedHashMap<>();
    errors.put("mean", mean(ascending));
    errors.put("p99", PrecisionResult.quantile(ascending, 0.99));
    errors.put("worst", PrecisionResult.worst(ascending));
    return errors;
  }

  /** Draws how errors grow along the depth: SVG and PNG files. */
  public List<Path> plot(Path folder) {
    List<Path> files = new ArrayList<>();
    try {
      Curve attention = r -> r.layers().stream().mapToDouble(l -> mean(l.out())).toArray();
      draw("precision-attention", "Attention of each layer", "layer", attention, folder, files);
      draw(
          "precision-residual",
          "Residual stream after each branch",
          "branch",
          PrecisionResult::residuals,
          folder,
          files);
    } catch (IOException e) {
      throw new BenchException("--plot " + folder + ": " + e.getMessage(), e);
    } catch (InternalError | NoClassDefFoundError | UnsatisfiedLinkError e) {
      throw Pictures.withoutFonts(e);
    }
    return files;
  }

  private void draw(String name, String title, String x, Curve curve, Path folder, List<Path> files)
      throws IOException {
    XYChart chart = PlotStyle.chart(title, x, "relative error");
    for (PrecisionResult r : chosen()) {
      double[] y = curve.of(r);
      // A logarithmic axis has no 0, which the reference is.
      if (Arrays.stream(y).allMatch(value -> value > 0)) {
        double[] numbers = IntStream.rangeClosed(1, y.length).asDoubleStream().toArray();
        PlotStyle.addLine(chart, r.setting().types(), numbers, y);
      }
    }
    chart.getStyler().setYAxisLogarithmic(true);
    chart.getStyler().setYAxisDecimalPattern("0.#E0");
    if (!chart.getSeriesCollection().isEmpty()) {
      Pictures.write(chart, folder, name, files);
    }
  }

  /** Writes the JSON. */
  public void write(Path json) {
    OutputFile.write(json, json());
  }
}

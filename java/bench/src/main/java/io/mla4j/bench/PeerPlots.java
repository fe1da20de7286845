package io.mla4j.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.knowm.xchart.CategoryChart;

/**
 * Pictures of what scripts/bench-peers wrote as JSON: tokens per second of every engine by the type
 * of the weights, one for each prompt and context.
 */
public final class PeerPlots {
  private PeerPlots() {}

  /**
   * Writes the pictures of a run's rows with the most threads.
   *
   * @return the files
   * @throws BenchException where the file is no such run or measured no model, the folder cannot be
   *     written, or the machine has no fonts
   */
  public static List<Path> write(Path json, Path folder) {
    Map<String, CategoryChart> charts;
    List<Path> files = new ArrayList<>();
    try {
      charts = charts(json);
      Files.createDirectories(folder);
      for (Map.Entry<String, CategoryChart> entry : charts.entrySet()) {
        Pictures.write(entry.getValue(), folder, entry.getKey(), files);
      }
    } catch (IOException e) {
      throw new BenchException(folder + ": cannot be written: " + e.getMessage(), e);
    } catch (LinkageError | InternalError e) {
      throw Pictures.withoutFonts(e);
    }
    return files;
  }

  /** The charts by the name of their file. */
  static Map<String, CategoryChart> charts(Path json) {
    JsonNode run = read(json);
    List<JsonNode> rows =
        run.get("rows").valueStream().filter(r -> !r.path("weights").asText().isEmpty()).toList();
    if (rows.isEmpty()) {
      throw new BenchException(json + ": has no rows of a model");
    }
    int threads = rows.stream().mapToInt(r -> r.path("threads").asInt()).max().orElse(1);
    Map<String, List<JsonNode>> shapes = new LinkedHashMap<>();
    rows.stream()
        .filter(r -> r.path("threads").asInt() == threads)
        .forEach(
            r -> shapes.computeIfAbsent(r.path("shape").asText(), _ -> new ArrayList<>()).add(r));
    Map<String, CategoryChart> charts = new LinkedHashMap<>();
    String model = Path.of(run.path("model").asText("model")).getFileName().toString();
    shapes.forEach(
        (shape, of) -> {
          CategoryChart chart = chart(of, model + ", " + PlotStyle.count(threads, "thread"));
          if (!chart.getSeriesCollection().isEmpty()) {
            charts.put("peers-" + shape.replace(':', '-'), chart);
          }
        });
    return charts;
  }

  private static JsonNode read(Path json) {
    JsonNode run;
    try {
      run = new ObjectMapper().readTree(json.toFile());
    } catch (IOException e) {
      throw new BenchException(
          json + ": cannot be read: " + e.getMessage().lines().findFirst().orElse(""), e);
    }
    if (!run.path("rows").isArray()) {
      throw new BenchException(json + ": is no run of bench-peers, it has no rows");
    }
    return run;
  }

  private static CategoryChart chart(List<JsonNode> rows, String where) {
    CategoryChart chart =
        PlotStyle.bars(
            capitalized(rows.getFirst().path("text").asText()) + ", " + where,
            "weights",
            "tokens per second");
    List<String> types = rows.stream().map(r -> r.path("weights").asText()).toList();
    Set<String> engines = new LinkedHashSet<>();
    rows.forEach(r -> r.path("entries").fieldNames().forEachRemaining(engines::add));
    for (String engine : engines) {
      List<Double> speeds = new ArrayList<>();
      rows.forEach(r -> speeds.add(speed(r, engine)));
      if (speeds.stream().anyMatch(Objects::nonNull)) {
        chart.addSeries(engine, types, speeds);
      }
    }
    return chart;
  }

  /** Tokens per second; null, no bar, where an engine was not measured. */
  private static Double speed(JsonNode row, String engine) {
    double nanos = row.path("entries").path(engine).path("medianNs").asDouble(0);
    if (nanos <= 0) {
      return null;
    }
    int tokens = row.path("kind").asText().equals("prompt") ? row.path("tokens").asInt() : 1;
    double speed = tokens * 1e9 / nanos;
    return speed < 100 ? Math.round(10 * speed) / 10.0 : (double) Math.round(speed);
  }

  private static String capitalized(String text) {
    return text.isEmpty() ? text : Character.toUpperCase(text.charAt(0)) + text.substring(1);
  }
}

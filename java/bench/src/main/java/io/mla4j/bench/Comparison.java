package io.mla4j.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * What changed between two reports beyond the noise. A row changed where its medians lie further
 * apart than three sigmas of both rows together, sigma being 1.4826 MAD, and by more than 2 %. A
 * row of one sample does not tell its noise.
 */
public final class Comparison {
  private static final double SIGMAS = 3;
  private static final double LEAST = 0.02;

  private final List<String> changed = new ArrayList<>();
  private final List<String> unknown = new ArrayList<>();
  private final List<String> onlyOne = new ArrayList<>();
  private int same;

  private Comparison() {}

  /**
   * Compares two files that {@code --json} wrote.
   *
   * @throws BenchException where one cannot be read or is no report
   */
  public static Comparison of(Path before, Path after) {
    Map<String, JsonNode> old = rows(before);
    Map<String, JsonNode> now = rows(after);
    Comparison comparison = new Comparison();
    old.forEach(
        (key, row) -> {
          if (now.containsKey(key)) {
            comparison.add(key, row, now.get(key));
          } else {
            comparison.onlyOne.add(key + " is only in " + before);
          }
        });
    now.keySet().stream()
        .filter(key -> !old.containsKey(key))
        .forEach(key -> comparison.onlyOne.add(key + " is only in " + after));
    return comparison;
  }

  private static Map<String, JsonNode> rows(Path file) {
    JsonNode report;
    try {
      report = new ObjectMapper().readTree(file.toFile());
    } catch (IOException e) {
      throw new BenchException(file + ": cannot be read: " + firstLine(e), e);
    }
    if (!report.path("rows").isArray()) {
      throw new BenchException(file + ": is no report, it has no rows");
    }
    Map<String, JsonNode> rows = new LinkedHashMap<>();
    for (JsonNode row : report.get("rows")) {
      if (!row.path("medianNs").isNumber() || !row.path("samplesNs").isArray()) {
        throw new BenchException(file + ": has a row without medianNs and samplesNs");
      }
      StringBuilder key = new StringBuilder();
      for (Axis axis : Axis.values()) {
        String name = axis.id();
        String value = row.path(name).asText("");
        boolean empty = value.isEmpty() || value.equals("null") || value.equals("0");
        // The ratio that startup rows tell is a result.
        if (!empty && !(name.equals("shape") && value.contains("times hello"))) {
          key.append(key.isEmpty() ? "" : " ").append(label(name, value));
        }
      }
      rows.put(key.toString(), row);
    }
    return rows;
  }

  private static String label(String name, String value) {
    return switch (name) {
      case "heads", "tokens", "threads" -> value + " " + name;
      case "batch", "sQ", "page" -> name + " " + value;
      default -> value;
    };
  }

  private static String firstLine(IOException e) {
    return e.getMessage().lines().findFirst().orElse("");
  }

  private void add(String key, JsonNode before, JsonNode after) {
    double a = before.get("medianNs").asDouble();
    double b = after.get("medianNs").asDouble();
    double noise = SIGMAS * Statistics.MAD_TO_SIGMA * Math.hypot(mad(before), mad(after));
    if (Math.abs(b - a) <= Math.max(Double.isNaN(noise) ? 0 : noise, LEAST * a)) {
      same++;
      return;
    }
    String change =
        String.format(
            Locale.ROOT,
            "%s: %s -> %s, %.2f times as %s%s",
            key,
            Figures.nanos(a),
            Figures.nanos(b),
            Math.max(a / b, b / a),
            b < a ? "fast" : "slow",
            shares(before, after));
    if (Double.isNaN(noise)) {
      unknown.add(change + ", perhaps: one sample does not tell the noise");
    } else {
      changed.add(change);
    }
  }

  /** NaN where one sample is all there is. */
  private static double mad(JsonNode row) {
    JsonNode samples = row.get("samplesNs");
    double[] nanos = new double[samples.size()];
    for (int i = 0; i < nanos.length; i++) {
      nanos[i] = samples.get(i).asDouble();
    }
    return nanos.length > 1 ? Statistics.mad(nanos) : Double.NaN;
  }

  /**
   * What the row reached of the limit that it was nearer to: the machine's clock or its memory may
   * have changed, not the kernel.
   */
  private static String shares(JsonNode before, JsonNode after) {
    boolean memory = share(before, "shareOfBandwidth") > share(before, "shareOfPeak");
    String limit = memory ? "shareOfBandwidth" : "shareOfPeak";
    double a = share(before, limit);
    double b = share(after, limit);
    return a > 0 && b > 0
        ? String.format(
            Locale.ROOT,
            " (of %s %.0f %% -> %.0f %%)",
            memory ? "bandwidth" : "peak",
            100 * a,
            100 * b)
        : "";
  }

  /** 0 where it does not apply. */
  private static double share(JsonNode row, String name) {
    return row.path(name).asDouble(0);
  }

  /** Rows that changed, one a line. */
  public List<String> changed() {
    return changed;
  }

  /** Rows whose medians differ, though their noise is unknown, one a line. */
  public List<String> unknown() {
    return unknown;
  }

  /** Rows that only one report has. */
  public List<String> onlyInOne() {
    return onlyOne;
  }

  /** How many rows did not change. */
  public int unchanged() {
    return same;
  }
}

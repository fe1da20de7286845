package io.mla4j.bench;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * The rows of a report as comma-separated values (RFC 4180), one line for each; of a report without
 * rows the limits.
 */
public final class CsvReport {
  /** Behind {@link Axes#NAMES}. */
  private static final List<String> FIGURES =
      List.of(
          "flop",
          "bytes",
          "cacheBytes",
          "medianNs",
          "madNs",
          "noisy",
          "gflops",
          "gbps",
          "peakGflops",
          "peakGbps",
          "shareOfPeak",
          "shareOfBandwidth",
          "tokensPerSecond",
          "joules",
          "verified",
          "marks");

  private CsvReport() {}

  /** The text, with a line of titles. */
  public static String text(Report report) {
    return report.rows().isEmpty() && !report.peaks().isEmpty()
        ? limits(report.peaks())
        : rows(report);
  }

  private static String limits(List<Peak> peaks) {
    StringBuilder text = new StringBuilder();
    text.append(String.join(",", Peak.NAMES)).append('\n');
    for (Peak p : peaks) {
      Object[] values = {
        p.what(), p.source(), p.isa(), p.threads(), p.workingSetBytes(), p.rate(), p.mad(), p.unit()
      };
      text.append(Arrays.stream(values).map(CsvReport::cell).collect(Collectors.joining(",")));
      text.append('\n');
    }
    return text.toString();
  }

  private static String rows(Report report) {
    StringBuilder text = new StringBuilder();
    text.append(String.join(",", Axes.NAMES)).append(',');
    text.append(String.join(",", FIGURES)).append('\n');
    for (Row row : report.rows()) {
      List<String> cells = new ArrayList<>();
      for (Object value : values(row)) {
        cells.add(cell(value));
      }
      text.append(String.join(",", cells)).append('\n');
    }
    return text.toString();
  }

  private static Object[] values(Row row) {
    Axes a = row.axes();
    Work w = row.work();
    return new Object[] {
      a.benchmark(),
      a.kind(),
      a.backend(),
      a.isa(),
      a.library(),
      a.form(),
      a.heads(),
      a.tokens(),
      a.batch(),
      a.sQ(),
      a.threads(),
      a.compute(),
      a.cacheType(),
      a.page(),
      a.residency(),
      a.shape(),
      w.flop(),
      w.bytes(),
      w.cacheBytes(),
      row.medianNs(),
      row.madNs(),
      row.noisy(),
      row.gflops(),
      row.gbps(),
      row.peakGflops(),
      row.peakGbps(),
      row.shareOfPeak(),
      row.shareOfBandwidth(),
      row.tokensPerSecond(),
      row.joules(),
      row.verified(),
      row.marks().stream().map(Mark::toString).collect(Collectors.joining(", "))
    };
  }

  private static String cell(Object value) {
    if (value == null) {
      return "";
    }
    String text =
        value instanceof Double number ? String.format(Locale.ROOT, "%.6g", number) : "" + value;
    return text.matches("(?s).*[\",\\n].*") ? '"' + text.replace("\"", "\"\"") + '"' : text;
  }
}

package io.mla4j.bench;

import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The figures of a row as a person reads them; tables share it. */
final class RowFormat {
  static final String[] TITLES = {
    "benchmark",
    "kind",
    "backend",
    "isa",
    "form",
    "heads",
    "tokens",
    "batch",
    "s_q",
    "threads",
    "compute",
    "cache",
    "residency",
    "shape",
    "median",
    "MAD",
    "GFLOP/s",
    "peak",
    "of peak",
    "GB/s",
    "B",
    "of B",
    "tokens/s",
    "J",
    "cache bytes",
    "notes"
  };

  private RowFormat() {}

  static String[] cells(Row row) {
    Axes a = row.axes();
    return new String[] {
      text(a.benchmark()),
      text(a.kind()),
      a.library() == null ? text(a.backend()) : a.library(),
      text(a.isa()),
      text(a.form()),
      count(a.heads()),
      count(a.tokens()),
      count(a.batch()),
      count(a.sQ()),
      count(a.threads()),
      text(a.compute()),
      text(a.cacheType()),
      text(a.residency()),
      text(a.shape()),
      nanos(row.medianNs()),
      row.madNs() == null ? "" : percent(row.madNs() / row.medianNs(), 1),
      row.work().flop() == 0 ? "" : number(row.gflops()),
      number(row.peakGflops()),
      percent(row.shareOfPeak(), 0),
      row.work().bytes() == 0 ? "" : number(row.gbps()),
      row.shareOfBandwidth() == null ? "" : number(row.peakGbps()),
      percent(row.shareOfBandwidth(), 0),
      number(row.tokensPerSecond()),
      row.joules() == null ? "" : String.format(Locale.ROOT, "%.4f", row.joules()),
      row.work().cacheBytes() == 0 ? "" : bytes(row.work().cacheBytes()),
      notes(row)
    };
  }

  private static String notes(Row row) {
    Stream<String> marks = row.marks().stream().map(Mark::toString);
    Stream<String> verified = Stream.of("verified").filter(_ -> row.verified());
    return Stream.concat(marks, verified).collect(Collectors.joining(", "));
  }

  private static String text(String value) {
    return value == null ? "" : value;
  }

  private static String count(int value) {
    return value == 0 ? "" : Integer.toString(value);
  }

  static String number(Double value) {
    if (value == null || !Double.isFinite(value)) {
      return "";
    }
    return String.format(Locale.ROOT, value < 10 ? "%.2f" : "%.1f", value);
  }

  static String percent(Double share, int digits) {
    if (share == null || !Double.isFinite(share)) {
      return "";
    }
    return String.format(Locale.ROOT, "%." + digits + "f %%", 100 * share);
  }

  static String nanos(double nanos) {
    String unit = nanos < 1e3 ? "ns" : nanos < 1e6 ? "us" : nanos < 1e9 ? "ms" : "s";
    double value = nanos / (nanos < 1e3 ? 1 : nanos < 1e6 ? 1e3 : nanos < 1e9 ? 1e6 : 1e9);
    return String.format(Locale.ROOT, "%.4g %s", value, unit);
  }

  static String bytes(long bytes) {
    String[] units = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = bytes;
    int unit = 0;
    while (value >= 1024 && unit < units.length - 1) {
      value /= 1024;
      unit++;
    }
    return String.format(
        Locale.ROOT, value < 10 && unit > 0 ? "%.1f %s" : "%.0f %s", value, units[unit]);
  }
}

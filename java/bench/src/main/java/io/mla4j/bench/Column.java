package io.mla4j.bench;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * A figure of a report: all its forms are made of the same columns.
 *
 * @param name in JSON and CSV
 * @param title in tables, or null where they leave it out
 * @param value a number, a text, a truth, a list of texts, an array of numbers, or null
 * @param cell the value as a person reads it
 */
record Column<T>(String name, String title, Function<T, Object> value, Function<T, String> cell) {
  /** Of measured rows. */
  static final List<Column<Row>> ROWS = rows();

  /** Of measured limits. */
  static final List<Column<Peak>> PEAKS =
      List.of(
          plain("what", "what", Peak::what),
          plain("source", "source", Peak::source),
          plain("isa", "isa", Peak::isa),
          plain("threads", "threads", Peak::threads),
          new Column<>("workingSetBytes", "working set", Peak::workingSetBytes, Column::workingSet),
          new Column<>("rate", "rate", Peak::rate, p -> format("%.1f", p.rate())),
          plain("mad", null, Peak::mad),
          plain("unit", "unit", Peak::unit));

  private static List<Column<Row>> rows() {
    List<Column<Row>> all = new ArrayList<>();
    for (Axis axis : Axis.values()) {
      all.add(
          new Column<>(
              axis.id(), axis.title(), row -> row.axes().get(axis), row -> cell(row, axis)));
    }
    all.addAll(
        List.of(
            plain("flop", null, row -> row.work().flop()),
            plain("bytes", null, row -> row.work().bytes()),
            new Column<>("medianNs", "median", Row::medianNs, r -> Figures.nanos(r.medianNs())),
            new Column<>(
                "madNs",
                "MAD",
                Row::madNs,
                r -> r.madNs() == null ? "" : Figures.percent(r.madNs() / r.medianNs(), 1)),
            plain("samplesNs", null, Row::samplesNs),
            plain("noisy", null, Row::noisy),
            number("gflops", "GFLOP/s", Row::gflops, row -> row.work().flop() > 0),
            number("peakGflops", "peak", Row::peakGflops, _ -> true),
            percent("shareOfPeak", "of peak", Row::shareOfPeak),
            number("gbps", "GB/s", Row::gbps, row -> row.work().bytes() > 0),
            number("peakGbps", "B", Row::peakGbps, row -> row.shareOfBandwidth() != null),
            percent("shareOfBandwidth", "of B", Row::shareOfBandwidth),
            number("tokensPerSecond", "tokens/s", Row::tokensPerSecond, _ -> true),
            new Column<>(
                "bytesPerToken",
                "bytes/token",
                Row::bytesPerToken,
                r -> r.bytesPerToken() == null ? "" : Figures.bytes(Math.round(r.bytesPerToken()))),
            new Column<>(
                "joulesPerToken",
                "J/token",
                Row::joulesPerToken,
                r -> r.joulesPerToken() == null ? "" : format("%.4f", r.joulesPerToken())),
            new Column<>(
                "joules",
                "J",
                Row::joules,
                r -> r.joules() == null ? "" : format("%.4f", r.joules())),
            new Column<>(
                "cacheBytes",
                "cache bytes",
                row -> row.work().cacheBytes(),
                r -> r.work().cacheBytes() == 0 ? "" : Figures.bytes(r.work().cacheBytes())),
            plain("verified", null, Row::verified),
            new Column<>(
                "marks",
                "notes",
                row -> row.marks().stream().map(Mark::toString).toList(),
                Column::notes)));
    return List.copyOf(all);
  }

  private static <T> Column<T> plain(String name, String title, Function<T, Object> value) {
    return new Column<>(name, title, value, item -> text(value.apply(item)));
  }

  private static Column<Row> number(
      String name, String title, Function<Row, Double> value, Function<Row, Boolean> applies) {
    return new Column<>(
        name,
        title,
        value::apply,
        row -> applies.apply(row) ? Figures.number(value.apply(row)) : "");
  }

  private static Column<Row> percent(String name, String title, Function<Row, Double> value) {
    return new Column<>(name, title, value::apply, row -> Figures.percent(value.apply(row), 0));
  }

  /** Somebody else's library stands where others name their backend. */
  private static String cell(Row row, Axis axis) {
    boolean theirs = axis == Axis.BACKEND && row.text(Axis.LIBRARY) != null;
    Object value = row.axes().get(theirs ? Axis.LIBRARY : axis);
    return value == null || value.equals(0) ? "" : value.toString();
  }

  private static String notes(Row row) {
    Stream<String> verified = Stream.of("verified").filter(_ -> row.verified());
    return Stream.concat(row.marks().stream().map(Mark::toString), verified)
        .collect(Collectors.joining(", "));
  }

  private static String workingSet(Peak peak) {
    Long bytes = peak.workingSetBytes();
    return bytes == null ? "" : bytes == 0 ? "cold" : Figures.bytes(bytes);
  }

  private static String format(String format, Object value) {
    return String.format(Locale.ROOT, format, value);
  }

  private static String text(Object value) {
    return switch (value) {
      case null -> "";
      case List<?> list -> list.stream().map(Object::toString).collect(Collectors.joining(", "));
      case double[] numbers -> Arrays.toString(numbers);
      default -> value.toString();
    };
  }

  /** Whether a line of CSV holds it. */
  boolean isScalar() {
    return !name.equals("samplesNs");
  }

  /** The value in CSV (RFC 4180). */
  String csv(T item) {
    Object found = value.apply(item);
    String text = found instanceof Double number ? format("%.6g", number) : text(found);
    return text.matches("(?s).*[\",\\n].*") ? '"' + text.replace("\"", "\"\"") + '"' : text;
  }
}

package io.mla4j.bench;

import java.util.List;
import java.util.stream.Collectors;

/**
 * The rows of a report as comma-separated values, one line for each; of a report without rows the
 * limits.
 */
public final class CsvReport {
  private CsvReport() {}

  /** The text, with a line of titles. */
  public static String text(Report report) {
    return report.rows().isEmpty() && !report.peaks().isEmpty()
        ? text(Column.PEAKS, report.peaks())
        : text(Column.ROWS, report.rows());
  }

  private static <T> String text(List<Column<T>> all, List<T> items) {
    List<Column<T>> columns = all.stream().filter(Column::isScalar).toList();
    StringBuilder text = new StringBuilder();
    text.append(columns.stream().map(Column::name).collect(Collectors.joining(","))).append('\n');
    for (T item : items) {
      text.append(columns.stream().map(c -> c.csv(item)).collect(Collectors.joining(",")));
      text.append('\n');
    }
    return text.toString();
  }
}

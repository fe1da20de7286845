package io.mla4j.bench;

import java.util.List;

/** A report as Markdown: the machine, the limits, and one table for each benchmark. */
public final class MarkdownReport {
  private MarkdownReport() {}

  /**
   * The text.
   *
   * @param budget the memory whose context is told
   */
  public static String text(Report report, CacheTable.Budget budget) {
    StringBuilder text = new StringBuilder("Machine: ");
    text.append(report.machine().summary()).append(".\n");
    if (!report.peaks().isEmpty()) {
      section(text, "peaks", TextTable.of(report.peaks()));
    }
    report.rows().stream()
        .map(row -> row.text(Axis.BENCHMARK))
        .distinct()
        .forEach(
            benchmark -> {
              List<Row> rows =
                  report.rows().stream()
                      .filter(row -> row.text(Axis.BENCHMARK).equals(benchmark))
                      .toList();
              section(text, benchmark, TextTable.ofRows(rows));
            });
    if (CacheTable.applies(report)) {
      section(text, "contexts", CacheTable.of(report, budget));
    }
    return text.toString();
  }

  private static void section(StringBuilder text, String title, TextTable table) {
    text.append("\n### ").append(title).append("\n\n").append(table.markdown());
  }
}

package io.mla4j.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** The rows of a report as text for a terminal. */
public final class TextTable {
  private final List<String[]> lines = new ArrayList<>();

  private TextTable(String... titles) {
    lines.add(titles);
  }

  private void add(String... cells) {
    lines.add(cells);
  }

  /** Every row on a line; columns that are empty everywhere are left out. */
  public static String rows(List<Row> rows) {
    TextTable table = new TextTable(RowFormat.TITLES);
    for (Row row : rows) {
      table.add(RowFormat.cells(row));
    }
    return table.toString();
  }

  /** The measured limits. */
  public static String peaks(List<Peak> peaks) {
    TextTable table =
        new TextTable("what", "source", "isa", "threads", "working set", "rate", "unit");
    for (Peak p : peaks) {
      table.add(
          p.what(),
          p.source(),
          p.isa(),
          Integer.toString(p.threads()),
          p.workingSetBytes() == null
              ? ""
              : p.workingSetBytes() == 0 ? "cold" : RowFormat.bytes(p.workingSetBytes()),
          String.format(Locale.ROOT, "%.1f", p.rate()),
          p.unit());
    }
    return table.toString();
  }

  @Override
  public String toString() {
    int columns = lines.getFirst().length;
    int[] widths = new int[columns];
    boolean[] used = new boolean[columns];
    for (int i = 0; i < lines.size(); i++) {
      for (int c = 0; c < columns; c++) {
        widths[c] = Math.max(widths[c], lines.get(i)[c].length());
        used[c] |= i > 0 && !lines.get(i)[c].isEmpty();
      }
    }
    StringBuilder text = new StringBuilder();
    for (String[] line : lines) {
      StringBuilder one = new StringBuilder();
      for (int c = 0; c < columns; c++) {
        if (used[c]) {
          boolean number = isNumber(lines.getLast()[c]);
          String pad = " ".repeat(widths[c] - line[c].length());
          one.append(one.isEmpty() ? "" : "  ").append(number ? pad + line[c] : line[c] + pad);
        }
      }
      text.append(one.toString().stripTrailing()).append('\n');
    }
    return text.toString();
  }

  private static boolean isNumber(String cell) {
    return !cell.isEmpty() && Character.isDigit(cell.charAt(0));
  }
}

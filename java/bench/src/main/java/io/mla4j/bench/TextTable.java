package io.mla4j.bench;

import java.util.ArrayList;
import java.util.List;

/** The rows of a report as text for a terminal. */
public final class TextTable {
  private final List<String[]> lines = new ArrayList<>();

  TextTable(String... titles) {
    lines.add(titles);
  }

  void add(String... cells) {
    lines.add(cells);
  }

  /** Every row on a line; columns that are empty everywhere are left out. */
  public static TextTable ofRows(List<Row> rows) {
    return of(Column.ROWS, rows);
  }

  /** The measured limits. */
  public static TextTable of(List<Peak> peaks) {
    return of(Column.PEAKS, peaks);
  }

  private static <T> TextTable of(List<Column<T>> all, List<T> items) {
    List<Column<T>> columns = all.stream().filter(c -> c.title() != null).toList();
    TextTable table = new TextTable(columns.stream().map(Column::title).toArray(String[]::new));
    for (T item : items) {
      table.add(columns.stream().map(c -> c.cell().apply(item)).toArray(String[]::new));
    }
    return table;
  }

  /** As a table of Markdown. */
  String markdown() {
    boolean[] used = usedColumns();
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < lines.size(); i++) {
      text.append('|');
      for (int c = 0; c < used.length; c++) {
        text.append(used[c] ? " " + lines.get(i)[c].replace("|", "\\|") + " |" : "");
      }
      text.append('\n');
      if (i == 0) {
        text.append('|');
        for (int c = 0; c < used.length; c++) {
          text.append(used[c] ? isNumeric(c) ? "---:|" : "---|" : "");
        }
        text.append('\n');
      }
    }
    return text.toString();
  }

  /** As a table of HTML. */
  String html() {
    boolean[] used = usedColumns();
    StringBuilder text = new StringBuilder("<div class=\"table\"><table>\n");
    for (int i = 0; i < lines.size(); i++) {
      String tag = i == 0 ? "th" : "td";
      text.append("<tr>");
      for (int c = 0; c < used.length; c++) {
        if (used[c]) {
          text.append('<').append(tag).append('>').append(HtmlPage.escape(lines.get(i)[c]));
          text.append("</").append(tag).append('>');
        }
      }
      text.append("</tr>\n");
    }
    return text.append("</table></div>\n").toString();
  }

  @Override
  public String toString() {
    boolean[] used = usedColumns();
    int[] widths = new int[used.length];
    for (String[] line : lines) {
      for (int c = 0; c < used.length; c++) {
        widths[c] = Math.max(widths[c], line[c].length());
      }
    }
    StringBuilder text = new StringBuilder();
    for (String[] line : lines) {
      StringBuilder one = new StringBuilder();
      for (int c = 0; c < used.length; c++) {
        if (used[c]) {
          boolean number = isNumeric(c);
          String pad = " ".repeat(widths[c] - line[c].length());
          one.append(one.isEmpty() ? "" : "  ").append(number ? pad + line[c] : line[c] + pad);
        }
      }
      text.append(one.toString().stripTrailing()).append('\n');
    }
    return text.toString();
  }

  private boolean[] usedColumns() {
    boolean[] used = new boolean[lines.getFirst().length];
    for (String[] line : lines.subList(1, lines.size())) {
      for (int c = 0; c < used.length; c++) {
        used[c] |= !line[c].isEmpty();
      }
    }
    return used;
  }

  /** Whether the first cell of a column that is not empty is a number. */
  private boolean isNumeric(int column) {
    return lines.stream()
        .skip(1)
        .map(line -> line[column])
        .filter(cell -> !cell.isEmpty())
        .findFirst()
        .map(cell -> cell.matches("[\\d.,]+( [%a-zA-Z]+)?"))
        .orElse(false);
  }
}

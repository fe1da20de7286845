package io.mla4j.bench;

import java.util.Map;

/** A report as one page that needs nothing else: pictures and tables inside. */
final class HtmlPage {
  private static final String STYLE =
      "body{font:16px/1.5 sans-serif;max-width:1100px;margin:2em auto;padding:0 1em;color:#222}"
          + "svg{max-width:100%;height:auto}table{border-collapse:collapse;font-size:13px}"
          + "td,th{padding:2px 8px;border-bottom:1px solid #ddd;text-align:left;white-space:nowrap}"
          + "div.table{overflow-x:auto}";

  private HtmlPage() {}

  /**
   * The page.
   *
   * @param pictures SVG files by title
   * @param budget the memory whose context is told
   */
  static String text(Report report, Map<String, String> pictures, CacheTable.Budget budget) {
    StringBuilder page =
        new StringBuilder("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">")
            .append("<title>mla4j bench</title><style>")
            .append(STYLE)
            .append("</style></head><body>\n<h1>mla4j bench</h1>\n<p>")
            .append(escape(report.machine().summary()))
            .append("</p>\n");
    pictures.forEach(
        (title, svg) ->
            page.append("<h2>")
                .append(escape(title))
                .append("</h2>\n")
                .append(svg.substring(svg.indexOf("<svg")))
                .append('\n'));
    if (!report.peaks().isEmpty()) {
      page.append("<h2>Limits of the machine</h2>\n").append(TextTable.of(report.peaks()).html());
    }
    if (!report.rows().isEmpty()) {
      page.append("<h2>Rows</h2>\n").append(TextTable.ofRows(report.rows()).html());
    }
    if (CacheTable.applies(report)) {
      page.append("<h2>Contexts</h2>\n").append(CacheTable.of(report, budget).html());
    }
    return page.append("</body></html>\n").toString();
  }

  static String escape(String text) {
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
  }
}

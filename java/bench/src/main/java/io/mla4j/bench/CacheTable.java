package io.mla4j.bench;

import java.util.Comparator;
import java.util.List;
import java.util.Locale;

/**
 * What every kind of attention of a report keeps and moves for a token, and how long a context a
 * given memory holds: side by side.
 */
public final class CacheTable {
  /** Layers of DeepSeek-V3. */
  private static final int LAYERS = 61;

  private static final long MEMORY = 16L << 30;

  private CacheTable() {}

  /** Whether the report has attention of more than one kind. */
  public static boolean applies(Report report) {
    return rows(report).stream().map(r -> r.axes().kind()).distinct().count() > 1;
  }

  private static List<Row> rows(Report report) {
    return report.rows().stream()
        .filter(r -> r.axes().benchmark().equals("attention") && r.work().cacheBytes() > 0)
        .toList();
  }

  /** A line for each kind and number of heads, with the longest context that was measured. */
  public static TextTable of(Report report) {
    TextTable table =
        new TextTable(
            "heads",
            "kind",
            "cache",
            "bytes per token and layer",
            "tokens in 16 GiB, 61 layers",
            "at tokens",
            "threads",
            "backend",
            "bytes moved",
            "time per token and layer");
    rows(report).stream()
        .collect(
            java.util.stream.Collectors.groupingBy(
                r -> r.axes().heads() + r.axes().kind() + r.axes().cacheType(),
                java.util.LinkedHashMap::new,
                java.util.stream.Collectors.toList()))
        .values()
        .forEach(
            group -> {
              int longest = group.stream().mapToInt(r -> r.axes().tokens()).max().orElse(0);
              Row best =
                  group.stream()
                      .filter(r -> r.axes().tokens() == longest)
                      .min(Comparator.comparingDouble(Row::medianNs))
                      .orElseThrow();
              Axes a = best.axes();
              long bytes = best.work().cacheBytes() / ((long) a.tokens() * a.batch());
              table.add(
                  Integer.toString(a.heads()),
                  a.kind(),
                  a.cacheType(),
                  String.format(Locale.ROOT, "%,d", bytes),
                  String.format(Locale.ROOT, "%,d", MEMORY / (bytes * LAYERS)),
                  Integer.toString(a.tokens()),
                  Integer.toString(a.threads()),
                  a.backend(),
                  RowFormat.bytes(best.work().bytes()),
                  RowFormat.nanos(best.medianNs()));
            });
    return table;
  }
}

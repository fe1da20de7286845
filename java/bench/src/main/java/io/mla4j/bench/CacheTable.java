package io.mla4j.bench;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * What every kind of attention of a report keeps and moves for a token, and how long a context a
 * given memory holds: side by side where all else is the same.
 */
public final class CacheTable {
  private CacheTable() {}

  /**
   * The memory that caches may take, and how many there are.
   *
   * @param bytes for the caches of all layers of one sequence
   */
  public record Budget(long bytes, int layers) {
    /** 16 GiB, and the layers of DeepSeek-V3. */
    public static final Budget USUAL = new Budget(16L << 30, 61);
  }

  /** What kinds have in common that stand side by side. */
  private record Place(
      int heads, String cacheType, int threads, String backend, int batch, int sQ) {
    static final Comparator<Place> ORDER =
        Comparator.comparingInt(Place::heads)
            .thenComparing(Place::cacheType)
            .thenComparing(Place::threads)
            .thenComparing(Place::backend)
            .thenComparing(Place::batch)
            .thenComparing(Place::sQ);

    static Place of(Row row) {
      Axes a = row.axes();
      String backend = a.library() == null ? a.backend() + " " + a.isa() : a.library();
      return new Place(a.heads(), a.cacheType(), a.threads(), backend, a.batch(), a.sQ());
    }
  }

  /** Whether the report has several kinds to put side by side. */
  public static boolean applies(Report report) {
    return rows(report).stream().collect(Collectors.groupingBy(Place::of)).values().stream()
        .anyMatch(rows -> !sideBySide(rows).isEmpty());
  }

  private static List<Row> rows(Report report) {
    return report.rows().stream()
        .filter(r -> r.axes().benchmark().equals("attention") && r.work().cacheBytes() > 0)
        .toList();
  }

  /** A line for each kind where several were measured under the same conditions. */
  public static TextTable of(Report report, Budget budget) {
    TextTable table =
        new TextTable(
            "heads",
            "kind",
            "cache",
            "bytes per token and layer",
            "tokens in " + RowFormat.bytes(budget.bytes()) + ", " + budget.layers() + " layers",
            "at tokens",
            "batch",
            "s_q",
            "threads",
            "backend",
            "bytes moved",
            "time per step and layer");
    Map<Place, List<Row>> places =
        rows(report).stream()
            .collect(
                Collectors.groupingBy(
                    Place::of, () -> new TreeMap<>(Place.ORDER), Collectors.toList()));
    places.forEach((place, rows) -> add(table, place, sideBySide(rows), budget));
    return table;
  }

  /** The fastest row of each kind at the longest context that most of the kinds have. */
  private static List<Row> sideBySide(List<Row> rows) {
    Map<Integer, Map<String, Row>> byTokens = new TreeMap<>(Comparator.reverseOrder());
    for (Row row : rows) {
      byTokens
          .computeIfAbsent(row.axes().tokens(), _ -> new TreeMap<>())
          .merge(row.axes().kind(), row, (a, b) -> a.medianNs() <= b.medianNs() ? a : b);
    }
    List<Row> most = new ArrayList<>();
    for (Map<String, Row> kinds : byTokens.values()) {
      if (kinds.size() > most.size()) {
        most = new ArrayList<>(kinds.values());
      }
    }
    return most.size() > 1 ? most : List.of();
  }

  private static void add(TextTable table, Place place, List<Row> rows, Budget budget) {
    for (Row row : rows) {
      Axes a = row.axes();
      long bytes = row.work().cacheBytes() / ((long) a.tokens() * a.batch());
      table.add(
          Integer.toString(place.heads()),
          a.kind(),
          place.cacheType(),
          String.format(Locale.ROOT, "%,d", bytes),
          String.format(Locale.ROOT, "%,d", budget.bytes() / (bytes * budget.layers())),
          Integer.toString(a.tokens()),
          Integer.toString(place.batch()),
          Integer.toString(place.sQ()),
          Integer.toString(place.threads()),
          place.backend(),
          RowFormat.bytes(row.work().bytes()),
          RowFormat.nanos(row.medianNs()));
    }
  }
}

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
      String backend =
          row.text(Axis.LIBRARY) == null
              ? row.text(Axis.BACKEND) + " " + row.text(Axis.ISA)
              : row.text(Axis.LIBRARY);
      return new Place(
          row.count(Axis.HEADS),
          row.text(Axis.CACHE_TYPE),
          row.count(Axis.THREADS),
          backend,
          row.count(Axis.BATCH),
          row.count(Axis.S_Q));
    }
  }

  /** Whether the report has several kinds to put side by side. */
  public static boolean applies(Report report) {
    return rows(report).stream().collect(Collectors.groupingBy(Place::of)).values().stream()
        .anyMatch(rows -> !sideBySide(rows).isEmpty());
  }

  private static List<Row> rows(Report report) {
    return report.rows().stream()
        .filter(r -> r.text(Axis.BENCHMARK).equals("attention") && r.work().cacheBytes() > 0)
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
            "tokens in " + Figures.bytes(budget.bytes()) + ", " + budget.layers() + " layers",
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
          .computeIfAbsent(row.count(Axis.TOKENS), _ -> new TreeMap<>())
          .merge(row.text(Axis.KIND), row, (a, b) -> a.medianNs() <= b.medianNs() ? a : b);
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
      long bytes =
          row.work().cacheBytes() / ((long) row.count(Axis.TOKENS) * row.count(Axis.BATCH));
      table.add(
          Integer.toString(place.heads()),
          row.text(Axis.KIND),
          place.cacheType(),
          String.format(Locale.ROOT, "%,d", bytes),
          String.format(Locale.ROOT, "%,d", budget.bytes() / (bytes * budget.layers())),
          Integer.toString(row.count(Axis.TOKENS)),
          Integer.toString(place.batch()),
          Integer.toString(place.sQ()),
          Integer.toString(place.threads()),
          place.backend(),
          Figures.bytes(row.work().bytes()),
          Figures.nanos(row.medianNs()));
    }
  }
}

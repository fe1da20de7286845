package io.mla4j.bench;

import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/**
 * The results of a sweep as tables and pictures.
 *
 * @param results of {@link SweepBench}
 */
public record SweepReport(SweepResults results) {
  /** The tables, as Markdown. */
  public String markdown() {
    StringBuilder text = new StringBuilder();
    text.append(results.about().get("model"))
        .append(", ")
        .append(results.about().get("scored tokens"))
        .append(" tokens scored, statistics of ")
        .append(results.about().get("calibration tokens"));
    if (results.about().containsKey("speed behind")) {
      text.append("; speed behind ")
          .append(results.about().get("speed behind"))
          .append(", ")
          .append(results.about().get("speed of"))
          .append(", ")
          .append(results.about().get("processor"));
    }
    text.append("\n\nWhat the placement of the rotation costs alone, with the widest latent.\n\n");
    text.append(placements().markdown());
    text.append("\nEvery conversion.\n\n").append(points().markdown());
    for (SweepResults.Placement placement : results.placements()) {
      if (placement.refused() != null) {
        text.append('\n').append(placement.method()).append(", rope ").append(placement.rope());
        text.append(" is refused: ").append(placement.refused()).append('\n');
      }
    }
    return text.toString();
  }

  private TextTable placements() {
    TextTable table = new TextTable("method", "rope", "perplexity", "change");
    for (SweepResults.Placement placement : results.placements()) {
      if (placement.refused() == null) {
        table.add(
            placement.method(),
            Integer.toString(placement.rope()),
            String.format(Locale.ROOT, "%.3f", placement.perplexity()),
            change(placement.perplexity()));
      }
    }
    return table;
  }

  private TextTable points() {
    TextTable table =
        new TextTable(
            "method",
            "rope",
            "latent",
            "numbers",
            "cache",
            "bytes a token",
            "perplexity",
            "change",
            "KL",
            "tokens/s",
            "times the original's",
            "predicted");
    for (SweepResults.Point point : results.points()) {
      boolean converted = !point.method().equals(SweepResults.ORIGINAL);
      DecodeSpeed.Speed speed = point.speed();
      table.add(
          point.method(),
          converted ? Integer.toString(point.rope()) : "",
          converted ? Integer.toString(point.latent()) : "",
          Integer.toString(converted ? point.rope() + point.latent() : results.numbers()),
          point.cache(),
          Long.toString(point.bytes()),
          String.format(Locale.ROOT, "%.3f", point.perplexity()),
          change(point.perplexity()),
          String.format(Locale.ROOT, "%.4f", point.divergence()),
          speed == null ? "" : String.format(Locale.ROOT, "%.0f", speed.tokensPerSecond()),
          speed == null ? "" : String.format(Locale.ROOT, "%.2f", speed.factor()),
          speed == null ? "" : String.format(Locale.ROOT, "%.2f", speed.predicted()));
    }
    return table;
  }

  private String change(double perplexity) {
    return String.format(
        Locale.ROOT, "%+.1f %%", 100 * (perplexity / results.original().perplexity() - 1));
  }

  /** Draws the pictures: SVG and PNG files. */
  public List<Path> plot(Path folder) {
    return SweepPlots.write(results, folder);
  }
}

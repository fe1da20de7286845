package io.mla4j.bench;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The energy counters of processor packages, where Linux shows them (powercap, RAPL). */
final class Energy {
  private static final Path ROOT = Path.of("/sys/class/powercap");

  private final List<Path> packages;
  private final List<Long> ranges;

  private Energy(List<Path> packages, List<Long> ranges) {
    this.packages = packages;
    this.ranges = ranges;
  }

  static Energy open() {
    return open(ROOT);
  }

  /** The zones of whole packages, {@code intel-rapl:0}, that may be read. */
  static Energy open(Path root) {
    List<Path> found = new ArrayList<>();
    List<Long> ranges = new ArrayList<>();
    try (DirectoryStream<Path> zones = Files.newDirectoryStream(root, "*-rapl:?")) {
      for (Path zone : zones) {
        Path counter = zone.resolve("energy_uj");
        read(counter);
        ranges.add(read(zone.resolve("max_energy_range_uj")));
        found.add(counter);
      }
    } catch (IOException | NumberFormatException e) {
      return new Energy(List.of(), List.of());
    }
    return new Energy(found, ranges);
  }

  boolean isReadable() {
    return !packages.isEmpty();
  }

  /** For the report. */
  String source() {
    return isReadable()
        ? "joules of " + packages.size() + " package(s) from powercap"
        : "no energy counter is readable here: compare bytes moved and FLOP instead";
  }

  /** Microjoules of every package; empty where none is readable. */
  long[] counters() {
    long[] values = new long[packages.size()];
    for (int i = 0; i < values.length; i++) {
      try {
        values[i] = read(packages.get(i));
      } catch (IOException e) {
        throw new BenchException(packages.get(i) + " cannot be read any more", e);
      }
    }
    return values;
  }

  /** Joules between two readings; counters start again at their range. NaN without counters. */
  double joules(long[] before, long[] after) {
    if (before.length == 0) {
      return Double.NaN;
    }
    double sum = 0;
    for (int i = 0; i < before.length; i++) {
      long spent = after[i] - before[i];
      sum += spent < 0 ? spent + ranges.get(i) : spent;
    }
    return sum / 1e6;
  }

  private static long read(Path file) throws IOException {
    return Long.parseLong(Files.readString(file).strip());
  }
}

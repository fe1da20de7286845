package io.mla4j.bench;

import java.io.IOException;
import java.lang.foreign.SymbolLookup;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.LongSupplier;

/** Energy counters: of processor packages (powercap, RAPL), or of a GPU (NVML). */
final class Energy {
  /** Nothing is counted. */
  static final Energy NONE = new Energy(List.of());

  private static final Path ROOT = Path.of("/sys/class/powercap");

  private final List<Counter> counters;

  /** Microjoules that start again at {@code range}. */
  private record Counter(LongSupplier value, long range) {}

  private Energy(List<Counter> counters) {
    this.counters = counters;
  }

  /** The processor's, where Linux shows them. */
  static Energy ofProcessor() {
    return ofProcessor(ROOT);
  }

  /** The zones of whole packages, {@code intel-rapl:0}, that may be read. */
  static Energy ofProcessor(Path root) {
    List<Counter> found = new ArrayList<>();
    try (DirectoryStream<Path> zones = Files.newDirectoryStream(root, "*-rapl:?")) {
      for (Path zone : zones) {
        Path counter = zone.resolve("energy_uj");
        read(counter);
        long range = read(zone.resolve("max_energy_range_uj"));
        found.add(new Counter(() -> readAgain(counter), range));
      }
    } catch (IOException | NumberFormatException e) {
      return NONE;
    }
    return new Energy(found);
  }

  /** That of the only GPU of this name, where NVIDIA's library is there and tells. */
  static Energy ofGpu(String name) {
    return Nvml.library().map(library -> ofGpu(library, name)).orElse(NONE);
  }

  static Energy ofGpu(SymbolLookup library, String name) {
    Optional<LongSupplier> counter = Nvml.microjoules(library, name);
    return counter.map(c -> new Energy(List.of(new Counter(c, Long.MAX_VALUE)))).orElse(NONE);
  }

  boolean isReadable() {
    return !counters.isEmpty();
  }

  /** For the report. */
  String source() {
    return isReadable()
        ? "joules of " + counters.size() + " package(s) from powercap"
        : "no energy counter is readable here: compare bytes moved and FLOP instead";
  }

  /** Microjoules of every counter; empty where none is readable. */
  long[] counters() {
    return counters.stream().mapToLong(counter -> counter.value.getAsLong()).toArray();
  }

  /** Joules between two readings. NaN without counters. */
  double joules(long[] before, long[] after) {
    if (before.length == 0) {
      return Double.NaN;
    }
    double sum = 0;
    for (int i = 0; i < before.length; i++) {
      long spent = after[i] - before[i];
      sum += spent < 0 ? spent + counters.get(i).range : spent;
    }
    return sum / 1e6;
  }

  private static long readAgain(Path file) {
    try {
      return read(file);
    } catch (IOException e) {
      throw new BenchException(file + " cannot be read any more", e);
    }
  }

  private static long read(Path file) throws IOException {
    return Long.parseLong(Files.readString(file).strip());
  }
}

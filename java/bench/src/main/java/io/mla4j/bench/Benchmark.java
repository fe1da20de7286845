package io.mla4j.bench;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;

/**
 * What {@code mla4j bench} runs. Each method opens its own devices and memory and frees them.
 *
 * @param settings how to measure
 * @param progress told how far it is
 * @param stopped true when what has been measured so far should be returned
 * @param note told what is left out, and why
 */
public record Benchmark(
    Settings settings, Progress progress, BooleanSupplier stopped, Consumer<String> note) {
  /** The limits of the machine. */
  public Report peak(List<Integer> threads) {
    try (Lab lab = new Lab(settings)) {
      return new Report(
          Machine.detect(), PeakBench.run(lab, threads, progress, stopped), List.of());
    }
  }

  /** Attention, decode and prefill. */
  public Report attention(AttentionGrid grid) {
    List<Peak> peaks = new ArrayList<>();
    List<Row> rows = new ArrayList<>();
    if (grid.library() != null || !AttentionBench.ofProcessor(grid).isEmpty()) {
      try (Lab lab = new Lab(settings)) {
        rows.addAll(AttentionBench.run(lab, grid, progress, stopped, note));
        peaks.addAll(PeakBench.limits(lab, grid.threads(), stopped));
      }
    }
    if (grid.backends().contains(CudaBench.BACKEND)) {
      try (CudaBench gpu = new CudaBench(settings)) {
        rows.addAll(gpu.run(grid, progress, stopped, note));
        peaks.addAll(gpu.peaks(stopped));
      }
    }
    return new Report(Machine.detect(), peaks, rows);
  }

  /** Linear layers and experts. */
  public Report linear(LinearGrid grid) {
    try (Lab lab = new Lab(settings)) {
      List<Row> rows = LinearBench.run(lab, grid, progress, stopped, note);
      return new Report(Machine.detect(), PeakBench.limits(lab, grid.threads(), stopped), rows);
    }
  }

  /** Prompts and generation of a model. */
  public Report model(ModelGrid grid) {
    try (Lab lab = new Lab(settings)) {
      List<Row> rows = ModelBench.run(lab, grid, progress, stopped);
      return new Report(Machine.detect(), PeakBench.limits(lab, grid.threads(), stopped), rows);
    }
  }

  /**
   * The start of the command, next to a JVM that says hello.
   *
   * @param command starts text generation, its first byte on stdout
   */
  public Report startup(List<String> command) {
    return new Report(
        Machine.detect(), List.of(), StartupBench.run(settings, command, progress, stopped));
  }

  /**
   * Writes a preset's model of random weights to a folder.
   *
   * @throws BenchException where the folder already holds a model or cannot be written
   */
  public static void makeModel(Preset preset, Path folder) {
    ModelMaker.make(preset.shape(), folder);
  }
}

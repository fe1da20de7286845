package io.mla4j.bench;

import io.mla4j.BackendException;
import io.mla4j.Backends;
import io.mla4j.ffi.NativeBackend;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Supplier;

/**
 * What {@code mla4j bench} runs. Each method opens its own devices and memory and frees them; once
 * the run is stopped it gives what it has, and starts nothing new.
 *
 * <p>One thread measures; {@link #soFar} may be asked by any.
 */
public final class Benchmark {
  /** The rank of kernels in plain Java. */
  private static final int PLAIN_JAVA = 0;

  private final Settings settings;
  private final Progress progress;
  private final BooleanSupplier stopped;
  private final Consumer<String> note;
  private Report complete = new Report(Machine.detect(), List.of(), List.of());
  private Runner running;
  private volatile Path folder;

  /**
   * A run.
   *
   * @param settings how to measure
   * @param progress told how far it is
   * @param stopped true when what has been measured so far should be returned
   * @param note told what is left out, and why
   */
  public Benchmark(
      Settings settings, Progress progress, BooleanSupplier stopped, Consumer<String> note) {
    this.settings = settings;
    this.progress = progress;
    this.stopped = stopped;
    this.note = note;
  }

  Settings settings() {
    return settings;
  }

  Progress progress() {
    return progress;
  }

  boolean isStopped() {
    return stopped.getAsBoolean();
  }

  void note(String text) {
    note.accept(text);
  }

  /** All that was measured by this, even while it goes on. */
  public synchronized Report soFar() {
    return running == null ? complete : complete.and(report(List.of(), running.rows()));
  }

  /** Removes what a run that is not waited for leaves on the disk. */
  public void abandon() {
    Path left = folder;
    if (left != null) {
      ModelBench.remove(left);
    }
  }

  /** A folder of this run, or null where it has none any more. */
  void ownsFolder(Path temporary) {
    folder = temporary;
  }

  /**
   * The backends of the processor that are measured where none is named, the fastest first: those
   * that work here of all that are faster than plain Java, or else scalar. What does not work is
   * noted.
   */
  public List<String> usualBackends() {
    return usualBackends(Backends.list(), note);
  }

  static List<String> usualBackends(List<Backends.Status> all, Consumer<String> note) {
    List<String> usual = new ArrayList<>();
    for (Backends.Status status : all) {
      if (status.hasOwnMemory() || status.rank() <= PLAIN_JAVA) {
        continue;
      }
      if (status.available()) {
        usual.add(status.name());
      } else {
        note.accept(status.name() + " is left out: " + status.reason());
      }
    }
    return usual.isEmpty() ? List.of("scalar") : usual;
  }

  /**
   * The native instruction set that users call {@code name}, which this processor may lack.
   *
   * @throws BackendException where there is none, with those that are known
   */
  public static String isa(String name) {
    List<String> known = new NativeBackend().isaNames();
    if (!known.isEmpty() && !known.contains(name)) {
      throw new BackendException(
          "isa is " + name + ", but must be one of " + String.join(", ", known));
    }
    return name;
  }

  /** The limits of the machine. */
  public Report peak(List<Integer> threads) {
    if (isStopped()) {
      return none();
    }
    try (Lab lab = new Lab(settings)) {
      return done(report(PeakBench.run(lab, threads, progress, stopped), List.of()));
    }
  }

  /** Attention, decode and prefill. */
  public Report attention(AttentionGrid grid) {
    List<Peak> peaks = new ArrayList<>();
    List<Row> rows = new ArrayList<>();
    if (!isStopped() && (grid.library != null || !AttentionBench.ofProcessor(grid).isEmpty())) {
      try (Lab lab = new Lab(settings)) {
        rows.addAll(AttentionBench.run(lab, grid, this));
        peaks.addAll(limits(lab, Grid.each(grid.threads)));
      }
      done(report(peaks, rows));
    }
    for (String backend : Grid.each(grid.backends)) {
      if (!isStopped() && Backends.hasOwnMemory(backend)) {
        try (AcceleratorBench bench = new AcceleratorBench(settings, backend)) {
          List<Row> measured = bench.run(grid, this);
          List<Peak> limits = bench.peaks(stopped);
          done(report(limits, measured));
          rows.addAll(measured);
          peaks.addAll(limits);
        }
      }
    }
    return report(peaks, rows);
  }

  /** Sparse attention. */
  public Report sparse(SparseGrid grid) {
    if (isStopped()) {
      return none();
    }
    try (Lab lab = new Lab(settings)) {
      List<Row> rows = SparseBench.run(lab, grid, this);
      return done(report(limits(lab, Grid.each(grid.threads)), rows));
    }
  }

  /** Linear layers and experts. */
  public Report linear(LinearGrid grid) {
    if (isStopped()) {
      return none();
    }
    try (Lab lab = new Lab(settings)) {
      List<Row> rows = LinearBench.run(lab, grid, this);
      return done(report(limits(lab, Grid.each(grid.threads)), rows));
    }
  }

  /** Prompts and generation of a model. */
  public Report model(ModelGrid grid) {
    if (isStopped()) {
      return none();
    }
    noteUnchecked("model");
    try (Lab lab = new Lab(settings)) {
      List<Row> rows = ModelBench.run(lab, grid, this);
      return done(report(limits(lab, Grid.each(grid.threads)), rows));
    }
  }

  /**
   * The start of the command, next to a JVM that says hello.
   *
   * @param command starts text generation, its first byte on stdout
   */
  public Report startup(List<String> command) {
    if (isStopped()) {
      return none();
    }
    noteUnchecked("startup");
    return done(report(List.of(), StartupBench.run(settings, command, progress, stopped)));
  }

  /**
   * Writes a preset's model of random weights to a folder.
   *
   * @param layers null for as many as the preset has
   * @throws BenchException where the folder already holds a model or cannot be written
   */
  public static void makeModel(Preset preset, Integer layers, Path folder) {
    Map<String, Object> config = preset.config();
    if (layers != null) {
      config.put("num_hidden_layers", layers);
    }
    ModelMaker.make(config, folder);
  }

  /**
   * Makes cases and takes their samples in turns; closes them.
   *
   * @param plans each makes a case, or gives null where it is left out
   * @param meter is asked for when the cases are there
   */
  List<Row> measure(List<Supplier<Case>> plans, Supplier<PeakMeter> meter) {
    List<Case> cases = new ArrayList<>();
    try {
      for (Supplier<Case> plan : plans) {
        if (isStopped()) {
          return List.of();
        }
        Case made = plan.get();
        if (made != null) {
          cases.add(made);
        }
      }
      if (cases.isEmpty()) {
        return List.of();
      }
      Runner runner = new Runner(settings, meter.get(), progress, stopped);
      synchronized (this) {
        running = runner;
      }
      return runner.run(cases);
    } finally {
      cases.forEach(Case::close);
    }
  }

  private void noteUnchecked(String benchmark) {
    if (settings.verify()) {
      note(benchmark + " rows are not compared with the oracle");
    }
  }

  private List<Peak> limits(Lab lab, List<Integer> threads) {
    return isStopped() ? List.of() : PeakBench.limits(lab, threads, stopped);
  }

  private Report none() {
    return report(List.of(), List.of());
  }

  private Report report(List<Peak> peaks, List<Row> rows) {
    return new Report(complete.machine(), peaks, rows);
  }

  private synchronized Report done(Report report) {
    complete = complete.and(report);
    running = null;
    return report;
  }
}

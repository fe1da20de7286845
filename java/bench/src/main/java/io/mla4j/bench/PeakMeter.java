package io.mla4j.bench;

import io.mla4j.cpu.Workers;
import io.mla4j.ffi.NativeKernels;
import io.mla4j.ffi.NativeProbe;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.Map;
import java.util.OptionalLong;
import java.util.function.DoubleSupplier;
import java.util.stream.DoubleStream;

/**
 * Measures what the processor can do at best, on the threads of a row that can run at the same
 * time. Every thread starts at the same moment and is timed by itself; a rate is the sum over the
 * threads, and the best of a few: one that was preempted says nothing about the processor.
 */
final class PeakMeter {
  /** A rate: GFLOP/s, GOP/s, or GB/s of 10^9. */
  enum Rate {
    /** Float32 multiply-adds of the widest native vectors. */
    NATIVE_FMA_F32("fma_f32", "native", "GFLOP/s"),
    /** Native bf16 dot products. */
    NATIVE_DOT_BF16("dot_bf16", "native", "GFLOP/s"),
    /** Native int8 dot products. */
    NATIVE_DOT_INT8("dot_int8", "native", "GOP/s"),
    /** Reading memory in native code. */
    NATIVE_READ("read", "native", "GB/s"),
    /** Float32 multiply-adds of the Vector API. */
    JAVA_FMA_F32("fma_f32", "java", "GFLOP/s"),
    /** Reading memory with the Vector API. */
    JAVA_READ("read", "java", "GB/s");

    final String what;
    final String source;
    final String unit;

    Rate(String what, String source, String unit) {
      this.what = what;
      this.source = source;
      this.unit = unit;
    }

    boolean isRead() {
      return this == NATIVE_READ || this == JAVA_READ;
    }
  }

  /** A preempted probe is rare enough that not all of so many are. */
  private static final int PROBES = 3;

  /** Long enough for a clock, short enough that three stand just before and after a sample. */
  private static final double SECONDS = 0.7e-3;

  /** What the probes of the Vector API run at least, and at most, before they count. */
  private static final long LEAST_WARM_UP_NANOS = 50_000_000;

  private static final long MOST_WARM_UP_NANOS = 5_000_000_000L;

  /** Bytes that a thread reads beyond every cache for one probe. */
  private static final long COLD_BYTES = 16L << 20;

  private final NativeKernels natives;
  private final boolean hasVectorModule;
  private final DataPool pool;
  private final Map<Rate, Long> counts = new EnumMap<>(Rate.class);
  private boolean warm;

  /**
   * @param natives the kernels with the widest vectors, or null
   * @param pool what is read, or null where nothing is
   */
  PeakMeter(NativeKernels natives, DataPool pool) {
    this.natives = natives;
    this.pool = pool;
    hasVectorModule = ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent();
  }

  boolean hasNative() {
    return natives != null;
  }

  /** The instruction set of a rate, or null where it cannot be measured. */
  String isa(Rate rate) {
    if (rate.source.equals("java")) {
      return hasVectorModule ? JavaProbes.isa() : null;
    }
    return natives == null ? null : natives.isa();
  }

  /** GFLOP/s or GOP/s of registers; NaN where it cannot be measured here. */
  double registers(Rate rate, Workers workers) {
    if (isa(rate) == null) {
      return Double.NaN;
    }
    Long count = counts.computeIfAbsent(rate, this::calibrate);
    return count == 0 ? Double.NaN : best(() -> together(rate, workers, count, null));
  }

  /** The better of the two native rates: P. NaN where nothing is native. */
  double best(Workers workers) {
    double fma = registers(Rate.NATIVE_FMA_F32, workers);
    double dot = registers(Rate.NATIVE_DOT_BF16, workers);
    return Double.isNaN(dot) ? fma : Math.max(fma, dot);
  }

  /** GB/s of memory that no cache holds. */
  double coldRead(Workers workers) {
    Rate rate = hasNative() ? Rate.NATIVE_READ : Rate.JAVA_READ;
    if (isa(rate) == null || pool == null) {
      return Double.NaN;
    }
    warmUp();
    int threads = workers.parallelism();
    long each = Math.min(COLD_BYTES, pool.bytes() / threads / 4096 * 4096);
    long piece = each * threads;
    return best(
        () -> together(rate, workers, 1, parts(pool.nextPiece(piece) * piece, each, threads)));
  }

  /** GB/s of {@code bytes} for each thread, read again and again. */
  double warmRead(Rate rate, Workers workers, long bytes) {
    if (isa(rate) == null) {
      return Double.NaN;
    }
    warmUp();
    MemorySegment[] parts = parts(0, bytes, workers.parallelism());
    long count = Math.max(1, (long) (SECONDS * 50e9 / bytes));
    together(rate, workers, 1, parts);
    return best(() -> together(rate, workers, count, parts));
  }

  private MemorySegment[] parts(long begin, long each, int threads) {
    MemorySegment[] parts = new MemorySegment[threads];
    for (int i = 0; i < threads; i++) {
      parts[i] = pool.slice(begin + i * each, each);
    }
    return parts;
  }

  private void warmUp() {
    if (!warm && hasVectorModule) {
      warmUp(() -> JavaProbes.read(1, pool.slice(0, 1 << 20)));
    }
    warm = true;
  }

  private static void warmUp(Runnable probe) {
    new WarmUp(System::nanoTime, Compilers::areBusy)
        .run(probe, LEAST_WARM_UP_NANOS, MOST_WARM_UP_NANOS, () -> false);
  }

  /** How often takes about {@link #SECONDS}; 0 where the processor lacks the instruction. */
  private long calibrate(Rate rate) {
    if (rate == Rate.JAVA_FMA_F32) {
      warmUp(() -> run(rate, 100_000, null));
    }
    long count = 1000;
    run(rate, count, null);
    while (true) {
      long start = System.nanoTime();
      if (run(rate, count, null) < 0) {
        return 0;
      }
      double seconds = (System.nanoTime() - start) / 1e9;
      if (seconds > SECONDS / 4) {
        return (long) Math.max(1, count * SECONDS / seconds);
      }
      count *= 4;
    }
  }

  private static double best(DoubleSupplier probe) {
    return DoubleStream.generate(probe).limit(PROBES).max().getAsDouble();
  }

  private double together(Rate rate, Workers workers, long count, MemorySegment[] parts) {
    double[] rates = new double[workers.parallelism()];
    Together.run(
        workers,
        tile -> {
          long start = System.nanoTime();
          long done = run(rate, count, parts == null ? null : parts[tile]);
          rates[tile] = done / (double) (System.nanoTime() - start);
        });
    return Arrays.stream(rates).sum();
  }

  private long run(Rate rate, long count, MemorySegment memory) {
    return switch (rate) {
      case JAVA_FMA_F32 -> JavaProbes.fma(count);
      case JAVA_READ -> JavaProbes.read(count, memory);
      case NATIVE_READ -> orLacking(natives.probe(NativeProbe.READ, count, memory));
      case NATIVE_FMA_F32 -> registers(NativeProbe.FMA_F32, count);
      case NATIVE_DOT_BF16 -> registers(NativeProbe.DOT_BF16, count);
      case NATIVE_DOT_INT8 -> registers(NativeProbe.DOT_INT8, count);
    };
  }

  private long registers(NativeProbe probe, long count) {
    return orLacking(natives.probe(probe, count, MemorySegment.NULL));
  }

  private static long orLacking(OptionalLong done) {
    return done.orElse(-1);
  }
}

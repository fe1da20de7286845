package io.mla4j.bench;

import io.mla4j.cpu.Workers;
import io.mla4j.ffi.NativeKernels;
import io.mla4j.ffi.NativeProbe;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.Map;
import java.util.OptionalLong;

/**
 * Measures what the processor can do at best, on the threads of a row. Every thread starts at the
 * same moment and is timed by itself; a rate is the sum over the threads.
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

  /** Long enough for a clock, short enough to stand just before and after a row. */
  private static final double SECONDS = 2e-3;

  /** Until C2 has compiled a probe of the Vector API. */
  private static final int WARM_UP_CALLS = 40;

  /** Bytes that a thread reads beyond every cache for one measurement. */
  private static final long COLD_BYTES = 32L << 20;

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

  boolean hasJava() {
    return hasVectorModule;
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
    return count == 0 ? Double.NaN : together(rate, workers, count, null);
  }

  /** The better of the two native rates, as P; the Java rate where nothing is native. */
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
    int threads = workers.threads();
    long each = Math.min(COLD_BYTES, pool.bytes() / threads / 4096 * 4096);
    long piece = each * threads;
    long begin = pool.nextPiece(piece) * piece;
    MemorySegment[] parts = new MemorySegment[threads];
    for (int i = 0; i < threads; i++) {
      parts[i] = pool.slice(begin + i * each, each);
    }
    return together(rate, workers, 1, parts);
  }

  /** GB/s of {@code bytes} for each thread, read again and again. */
  double warmRead(Rate rate, Workers workers, long bytes) {
    if (isa(rate) == null) {
      return Double.NaN;
    }
    warmUp();
    MemorySegment[] parts = new MemorySegment[workers.threads()];
    for (int i = 0; i < parts.length; i++) {
      parts[i] = pool.slice(i * bytes, bytes);
    }
    long count = Math.max(1, (long) (SECONDS * 50e9 / bytes));
    together(rate, workers, 1, parts);
    return together(rate, workers, count, parts);
  }

  private void warmUp() {
    if (!warm && hasVectorModule) {
      for (int i = 0; i < WARM_UP_CALLS; i++) {
        JavaProbes.read(1, pool.slice(0, 1 << 20));
        JavaProbes.fma(100_000);
      }
    }
    warm = true;
  }

  /** How often takes about {@link #SECONDS}; 0 where the processor lacks the instruction. */
  private long calibrate(Rate rate) {
    for (int i = 0; i < WARM_UP_CALLS && rate == Rate.JAVA_FMA_F32; i++) {
      run(rate, 100_000, null);
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

  private double together(Rate rate, Workers workers, long count, MemorySegment[] parts) {
    double[] rates = new double[workers.threads()];
    boolean met =
        Together.run(
            workers,
            tile -> {
              long start = System.nanoTime();
              long done = run(rate, count, parts == null ? null : parts[tile]);
              rates[tile] = done / (double) (System.nanoTime() - start);
            });
    // One after the other they are no faster than one.
    return met ? Arrays.stream(rates).sum() : Arrays.stream(rates).average().orElse(Double.NaN);
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

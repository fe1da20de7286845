package io.mla4j.bench.jmh;

import io.mla4j.Attention;
import io.mla4j.Backends;
import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.LatentCache;
import io.mla4j.LatentLayout;
import io.mla4j.Sequence;
import io.mla4j.ops.AttentionScore;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** Appending a token of DeepSeek's size to a cache, and forking a sequence of 4096 tokens. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class CacheBenchmark {
  private static final int TOKENS = 4096;
  private static final int HEADS = 16;

  private final LatentLayout layout = new LatentLayout(512, 64, CacheType.BF16);
  private final float[] row = new float[512 + 64];
  private Device device;
  private LatentCache cache;
  private Attention attention;
  private Sequence full;
  private Sequence growing;

  /** Fills a sequence. */
  @Setup
  public void open() {
    device = Backends.open();
    cache = LatentCache.builder(device).layout(layout).tokens(4 * TOKENS).build();
    attention = Attention.absorbed(cache, HEADS, AttentionScore.of(0.07f), ComputeType.F32);
    full = cache.newSequence();
    attention.append(full, new float[TOKENS * row.length]);
    growing = cache.newSequence();
  }

  /** Frees everything. */
  @TearDown
  public void close() {
    cache.close();
    device.close();
  }

  /** One token at the end. */
  @Benchmark
  public void append() {
    if (growing.length() == TOKENS) {
      growing.truncate(0);
    }
    attention.append(growing, row);
  }

  /** A fork that is closed again; it shares all pages. */
  @Benchmark
  public int fork() {
    try (Sequence copy = full.fork()) {
      return copy.length();
    }
  }
}

package io.mla4j.bench;

import java.util.ArrayList;
import java.util.List;

/** Reports that were never measured. */
final class Reports {
  static final Machine MACHINE =
      new Machine(
          "Test",
          2,
          "L1 32K",
          1L << 33,
          "Linux",
          "JDK",
          new Machine.Chosen("avx2", "avx2: a test"),
          "none");

  private Reports() {}

  static Row attention(
      String kind, String backend, int heads, int tokens, int threads, double medianNs) {
    boolean mla = kind.equals("mla");
    int groups = kind.equals("mha") ? heads : kind.equals("gqa") ? 8 : 1;
    long cache = mla ? 1152L * tokens : 512L * groups * tokens;
    Axes axes =
        Axes.of("attention")
            .with(Axis.KIND, kind)
            .with(Axis.BACKEND, backend)
            .with(Axis.ISA, backend.equals("native") ? "avx512bf16" : "vector-512")
            .with(Axis.FORM, mla ? "absorbed" : null)
            .with(Axis.HEADS, heads)
            .with(Axis.TOKENS, tokens)
            .with(Axis.BATCH, 1)
            .with(Axis.S_Q, 1)
            .with(Axis.THREADS, threads)
            .with(Axis.COMPUTE, "bf16")
            .with(Axis.CACHE_TYPE, "bf16")
            .with(Axis.PAGE, 64)
            .with(Axis.RESIDENCY, "cold");
    Work work = new Work((mla ? 2176L : 512L) * heads * tokens, cache, cache);
    double[] samples = {medianNs, medianNs * 1.01, medianNs * 0.99};
    double peak = (backend.equals("native") ? 500 : 250) * threads;
    return Row.of(axes, work, samples, new Row.Bounds(peak, 40 * threads, true));
  }

  /** The row with other numbers to compute with and to cache. */
  static Row with(Row row, String compute, String cacheType, int page) {
    Axes other =
        row.axes()
            .with(Axis.COMPUTE, compute)
            .with(Axis.CACHE_TYPE, cacheType)
            .with(Axis.PAGE, page);
    return Row.of(other, row.work(), row.samplesNs(), row.bounds());
  }

  /** Every kind, two backends, several heads, contexts and thread counts. */
  static Report full() {
    List<Row> rows = new ArrayList<>();
    for (int threads : new int[] {1, 2}) {
      for (int heads : new int[] {8, 16, 20, 32, 40, 64, 128}) {
        for (int tokens : new int[] {1024, 2048, 4096, 8192, 16384, 32768, 65536}) {
          double unit = (double) heads * tokens / threads;
          rows.add(attention("mla", "native", heads, tokens, threads, unit * 5.2 + tokens / 4.));
          rows.add(attention("mla", "vector", heads, tokens, threads, unit * 11 + tokens / 3.));
          rows.add(attention("mha", "native", heads, tokens, threads, unit * 16));
          rows.add(attention("gqa", "native", heads, tokens, threads, unit * 2 + tokens * 120.));
          rows.add(attention("mqa", "native", heads, tokens, threads, unit * 1.4 + tokens * 15.));
        }
      }
    }
    Peak peak = new Peak("fma_f32", "native", "avx2", 1, null, 100, 1, "GFLOP/s");
    return new Report(MACHINE, List.of(peak), rows);
  }
}

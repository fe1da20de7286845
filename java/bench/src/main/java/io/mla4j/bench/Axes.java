package io.mla4j.bench;

import java.lang.reflect.RecordComponent;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * What a row measures. Fields that do not apply are null or 0.
 *
 * @param benchmark {@code attention} (decode), {@code prefill}, {@code gemm}, {@code gemv}, {@code
 *     grouped}, {@code model}, {@code startup}
 * @param kind of attention: {@code mla}, {@code mha}, {@code gqa}, {@code mqa}; of a model row,
 *     what is timed
 * @param library file of somebody else's kernels, or null
 * @param form {@code absorbed} or {@code decompressed}, of MLA; of a model also {@code auto}
 * @param heads query heads
 * @param tokens cached tokens of a sequence, new ones included; of a generation those that are
 *     cached before it; rows of a linear layer
 * @param sQ new tokens of a sequence
 * @param residency {@code cold}: what is read was last touched at least the whole pool ago; {@code
 *     warm}: the same memory every time
 * @param shape sizes that the other fields do not tell
 */
public record Axes(
    String benchmark,
    String kind,
    String backend,
    String isa,
    String library,
    String form,
    int heads,
    int tokens,
    int batch,
    int sQ,
    int threads,
    String compute,
    String cacheType,
    int page,
    String residency,
    String shape) {
  /** The names of the fields, as reports have them. */
  static final List<String> NAMES =
      Arrays.stream(Axes.class.getRecordComponents()).map(RecordComponent::getName).toList();

  /** What a person is told about it. */
  String label() {
    return Stream.of(
            benchmark,
            kind,
            library == null ? backend : library,
            isa,
            form,
            shape,
            count(heads, "heads"),
            count(tokens, "tokens"),
            batch > 1 ? "batch " + batch : null,
            sQ > 1 && !benchmark.equals("prefill") ? "s_q " + sQ : null,
            compute,
            cacheType == null ? null : "cache " + cacheType,
            residency,
            count(threads, "threads"))
        .filter(Objects::nonNull)
        .collect(Collectors.joining(" "));
  }

  private static String count(int n, String things) {
    return n == 0 ? null : n + " " + things;
  }

  /** Whether memory is read again that is still in the processor's caches. */
  boolean isWarm() {
    return "warm".equals(residency);
  }

  /** Without what changes sizes alone: rows where it is equal run the same code. */
  Axes code() {
    return new Axes(
        benchmark, kind, backend, isa, library, form, heads, 0, 0, sQ, 0, compute, cacheType, 0,
        null, shape);
  }
}

package io.mla4j.bench;

import java.lang.reflect.RecordComponent;
import java.util.Arrays;
import java.util.List;

/**
 * What a row measures. Fields that do not apply are null or 0.
 *
 * @param benchmark {@code attention} (decode), {@code prefill}, {@code gemm}, {@code gemv}, {@code
 *     grouped}, {@code model}, {@code startup}
 * @param kind of attention: {@code mla}, {@code mha}, {@code gqa}, {@code mqa}; of a model row,
 *     what is timed
 * @param library file of somebody else's kernels, or null
 * @param form {@code absorbed} or {@code decompressed}, of MLA
 * @param heads query heads
 * @param tokens cached tokens of a sequence, new ones included; rows of a linear layer
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
}

package io.mla4j.bench;

import java.util.Objects;

/**
 * A measured limit of the machine.
 *
 * @param what {@code fma_f32}, {@code dot_bf16}, {@code dot_int8}, {@code read}
 * @param source {@code native} or {@code java}
 * @param workingSetBytes of one thread, read again and again; null for registers, 0 for memory that
 *     no cache holds
 * @param rate median of the repetitions
 * @param mad median absolute deviation
 * @param unit {@code GFLOP/s}, {@code GOP/s}, {@code GB/s}
 */
public record Peak(
    String what,
    String source,
    String isa,
    int threads,
    Long workingSetBytes,
    double rate,
    double mad,
    String unit) {
  /** Whether both are the same limit, measured twice. */
  boolean isSameLimit(Peak other) {
    return what.equals(other.what)
        && source.equals(other.source)
        && threads == other.threads
        && Objects.equals(workingSetBytes, other.workingSetBytes);
  }
}

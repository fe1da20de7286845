package io.mla4j.bench;

/** Told how far a run is. */
@FunctionalInterface
public interface Progress {
  /** Tells nobody. */
  Progress NONE = (_, _, _) -> {};

  /** {@code done} of {@code total} samples are taken; {@code label} says what comes next. */
  void at(long done, long total, String label);
}

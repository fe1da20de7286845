package io.mla4j.model;

import io.mla4j.Device;
import io.mla4j.MappedWatch;
import io.mla4j.checkpoint.OpenFiles;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The mapped files that a decoder computes with: whether they are still what was opened, asked
 * before and after each step.
 */
final class MappedWeights implements AutoCloseable {
  /** Null where the device has copies of all weights. */
  private final @Nullable OpenFiles files;

  private final List<MappedWatch> watches;

  MappedWeights(OpenFiles files, Device device) {
    this.files = device.hostAccessible() ? files : null;
    this.watches = device.hostAccessible() ? files.watch(device) : List.of();
  }

  /**
   * Before a step.
   *
   * @throws io.mla4j.checkpoint.CheckpointException where a file was changed
   */
  void requireUnchanged() {
    if (files != null) {
      files.requireUnchanged();
    }
  }

  /**
   * After a step, before its results are used.
   *
   * @throws io.mla4j.checkpoint.CheckpointException where a file was changed or could not be read
   */
  void requireRead() {
    if (files != null) {
      if (hasLost()) {
        throw files.unreadable(null);
      }
      files.requireWhole();
    }
  }

  /** What to throw for a failure of a step: the files' fault is told as theirs. */
  RuntimeException explain(Throwable failure) {
    if (files != null && (failure instanceof InternalError || hasLost())) {
      return files.unreadable(failure);
    }
    if (failure instanceof Error error) {
      throw error;
    }
    return (RuntimeException) failure;
  }

  private boolean hasLost() {
    for (int i = 0; i < watches.size(); i++) {
      if (watches.get(i).lost()) {
        return true;
      }
    }
    return false;
  }

  @Override
  public void close() {
    watches.forEach(MappedWatch::close);
  }
}

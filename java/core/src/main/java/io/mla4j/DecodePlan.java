package io.mla4j;

/**
 * How one step attends: made once a step, used by every layer.
 *
 * <p>The form of attention and the splits of a sequence follow from its own query and cached
 * counts, never from the batch or the threads. Belongs to the thread of its step.
 */
public interface DecodePlan {
  /** New tokens of all sequences. */
  int tokens();

  /** Sequences of the step. */
  int sequences();

  /** The index of the first token of sequence {@code i} in the step's tensors. */
  int firstToken(int i);

  /** New tokens of sequence {@code i}. */
  int queryTokens(int i);

  /** Tokens of sequence {@code i} after the step. */
  int kvTokens(int i);

  /**
   * Tokens of sequence {@code i} by which rotations that depend on the length go: those after the
   * step, or more where {@link Sequence#announce} has told so.
   */
  default int announcedTokens(int i) {
    return kvTokens(i);
  }

  /** What the plan was made for. */
  MlaShape shape();

  /** The group of the pool whose rows the {@link #shape} has: its latents. */
  int rows();

  /** Layers of the pool that have such latents. */
  default int layers() {
    return layers(rows());
  }

  /** Groups of rows of the pool; the latents are group 0 where all layers have the same. */
  int groups();

  /** Layers of a group of rows. */
  int layers(int group);

  /** How the rows of a group lie in memory. */
  LatentLayout layout(int group);

  /** Layers of the pool that have a state of a recurrence. */
  int stateLayers();

  /**
   * What a layer's state is.
   *
   * @throws InvalidArgumentException where no layer has one
   */
  StateLayout stateLayout();
}

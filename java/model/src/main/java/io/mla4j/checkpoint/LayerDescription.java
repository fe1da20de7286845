package io.mla4j.checkpoint;

import java.util.Optional;

/**
 * One block, a list of parts that are run in turn, each {@code x += residualScale * part(norm(x))}:
 * its attention, then its feed-forward network.
 *
 * <p>A block with a {@code shortcut} has a mixture of experts beside its network: both read the
 * same {@code norm(x)}, but what the mixture computes is added behind the last part of the next
 * block (LongCat-Flash, section 2.1).
 *
 * @param attention its attention
 * @param ffn its feed-forward network
 * @param shortcut the mixture whose result is added at the end of the next block
 */
public record LayerDescription(
    AttentionDescription attention, FfnDescription ffn, Optional<FfnDescription.Mixture> shortcut) {
  /** A block without a shortcut. */
  public LayerDescription(AttentionDescription attention, FfnDescription ffn) {
    this(attention, ffn, Optional.empty());
  }

  /** The attention of a layer that attends to latents. */
  public AttentionDescription.Mla mla() {
    return (AttentionDescription.Mla) attention;
  }
}

package io.mla4j.checkpoint;

/**
 * One block: {@code x += residualScale * attention(norm(x)); x += residualScale * ffn(norm(x))}.
 *
 * @param attention its attention
 * @param ffn its feed-forward network
 */
public record LayerDescription(AttentionDescription attention, FfnDescription ffn) {
  /** The attention of a layer that attends to latents. */
  public AttentionDescription.Mla mla() {
    return (AttentionDescription.Mla) attention;
  }
}

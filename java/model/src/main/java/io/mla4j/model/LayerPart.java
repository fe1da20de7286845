package io.mla4j.model;

/**
 * A part of a layer, bound to the activations of a frame: {@code x += residualScale *
 * part(norm(x))}. A layer runs its parts in turn.
 */
sealed interface LayerPart permits AttentionPart, FfnPart {
  /** All of it. */
  void run(Plans plans);
}

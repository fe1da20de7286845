package io.mla4j.model;

/**
 * The attention of a layer, bound to the activations of a frame: {@code x += residualScale *
 * attention(norm(x))}. There is a class for each kind of {@link
 * io.mla4j.checkpoint.AttentionDescription}.
 */
sealed interface AttentionPart permits MlaAttention {
  /** All of it. */
  void run(Plans plans);

  /** Only what the tokens after these attend to; leaves norm(x) in the frame's h. */
  void remember(Plans plans);

  /**
   * What {@link #remember} left out, in another frame whose x and h are rows of that one's: {@code
   * plans} are those of its tokens.
   */
  void attend(Plans plans);
}

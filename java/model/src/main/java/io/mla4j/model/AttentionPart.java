package io.mla4j.model;

/**
 * The attention of a layer. There is a class for each kind of {@link
 * io.mla4j.checkpoint.AttentionDescription}.
 */
sealed interface AttentionPart extends LayerPart permits CachedAttention, KdaAttention {
  /** Only what the tokens after these attend to; leaves norm(x) in the frame's h. */
  void remember(Plans plans);

  /**
   * What {@link #remember} left out, in another frame whose x and h are rows of that one's: {@code
   * plans} are those of its tokens.
   */
  void attend(Plans plans);
}

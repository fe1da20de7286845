package io.mla4j;

/** The two forms of the same attention. They agree up to rounding. */
public enum AttentionForm {
  /** Chosen for each sequence by a cost model from its own query and cached counts. */
  AUTO,
  /**
   * Queries are multiplied with W_UK and attend to the latents themselves: decode and short chunks.
   */
  ABSORBED,
  /** Keys and values of a block are rebuilt from the latents, used and forgotten: prefill. */
  DECOMPRESSED
}

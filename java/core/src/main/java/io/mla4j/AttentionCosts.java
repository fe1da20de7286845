package io.mla4j;

/**
 * What the two forms of attention cost on a device: picoseconds for a multiply-add of one thread,
 * of which only the ratios matter. The form of a sequence is chosen with them.
 *
 * @param absorbed of a query with a latent row, in the absorbed form
 * @param project of W_UK into a query, of W_UV onto its result
 * @param decompressed of a query with a rebuilt key and value
 * @param rebuild of a latent with the weights of its key and value
 * @param rebuildStart tokens that could be rebuilt in the time that a head's weights take to be
 *     made ready
 */
public record AttentionCosts(
    double absorbed, double project, double decompressed, double rebuild, double rebuildStart) {
  /** Every multiply-add costs the same. */
  public static final AttentionCosts EVEN = new AttentionCosts(1, 1, 1, 1, 0);
}

package io.mla4j.lab;

import java.util.Arrays;
import org.ejml.data.DMatrixRMaj;

/**
 * A converted layer, as the tensors of DeepSeek's attention. Softmax has the factor {@code (width +
 * rope)^-1/2} there, so W_Q is multiplied by {@code sqrt((width + rope) / width)}.
 *
 * @param query (heads x (width + rope), inputs)
 * @param down (rank + rope, inputs): latent, then the shared rotated key
 * @param up (heads x (width + width), rank): keys, then values, of each head
 * @param frequencies radians per position of the shared key's pairs
 * @param slopes of each head's ALiBi
 * @param lost share of what is cached without rotation that the rank loses, as its metric counts
 * @param square mean square of a latent's element
 */
record LatentLayer(
    DMatrixRMaj query,
    DMatrixRMaj down,
    DMatrixRMaj up,
    double[] frequencies,
    double[] slopes,
    double lost,
    double square) {

  static LatentLayer of(Moments moments, Placement placement, Factors factors, int rank) {
    GroupedShape shape = moments.shape();
    int w = shape.width();
    int rope = 2 * placement.components().length;
    DMatrixRMaj latent = Matrices.rows(factors.down(), 0, rank);
    DMatrixRMaj rotated = Matrices.multiply(placement.rotatedOfKeys(shape), moments.keyWeight());
    DMatrixRMaj query = new DMatrixRMaj(shape.heads() * (w + rope), moments.queryWeight().numCols);
    DMatrixRMaj up = new DMatrixRMaj(shape.heads() * 2 * w, rank);
    DMatrixRMaj back = Matrices.columns(factors.up(), 0, rank);
    double scale = Math.sqrt((double) (w + rope) / w);
    for (int h = 0; h < shape.heads(); h++) {
      DMatrixRMaj own = Matrices.scaled(scale, Matrices.rows(moments.queryWeight(), h * w, w));
      int at = h * (w + rope);
      Matrices.insert(own, query, at, 0);
      Matrices.insert(Matrices.multiply(placement.rotatedOfQuery(shape, h), own), query, at + w, 0);
      DMatrixRMaj keys =
          Matrices.multiply(placement.keyOfPlain(shape, h), Matrices.rows(back, 0, factors.keys()));
      Matrices.insert(keys, up, 2 * h * w, 0);
      Matrices.insert(
          Matrices.rows(back, factors.keys() + h / shape.sharing() * w, w), up, (2 * h + 1) * w, 0);
    }
    return new LatentLayer(
        query,
        Matrices.stack(latent, rotated),
        up,
        placement.frequencies(),
        placement.slopes(),
        factors.lost(rank),
        Arrays.stream(factors.squares(), 0, rank).sum() / rank);
  }

  /** The same without its numbers: what a configuration says of it. */
  LatentLayer sizes() {
    return new LatentLayer(
        new DMatrixRMaj(0, query.numCols),
        new DMatrixRMaj(0, down.numCols),
        new DMatrixRMaj(0, up.numCols),
        frequencies,
        slopes,
        lost,
        square);
  }
}

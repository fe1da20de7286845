package io.mla4j.lab;

import org.ejml.data.DMatrixRMaj;
import org.ejml.dense.row.CommonOps_DDRM;

/**
 * How errors of what is cached without rotation are measured when a rank is cut: the latent keeps
 * the r-dimensional subspace that minimises {@code E |L^(1/2) (Y x - B D x)|^2} for Y = [K; V], K
 * the unrotated components of the keys and V the values of all groups.
 */
interface Metric {
  /** L, symmetric and positive, and the second moments of the inputs. */
  record Measure(DMatrixRMaj errors, DMatrixRMaj inputs) {}

  /** The measure of a layer under a placement. */
  Measure of(Moments moments, Placement placement);

  /** Truncation of the weights by their singular values: inputs count as white. */
  static Metric weights() {
    return (moments, placement) ->
        new Measure(
            Matrices.diagonal(ofKeys(moments.shape(), placement), identity(moments)),
            CommonOps_DDRM.identity(moments.inputs().numRows));
  }

  /**
   * CARE ("CARE: Covariance-Aware and Rank-Enhanced Decomposition for Enabling Multi-Head Latent
   * Attention"): weights whitened by the inputs' covariance, {@code svd(W C^(1/2))}; its left
   * singular vectors are the principal components of what is cached.
   */
  static Metric covariance() {
    return (moments, placement) ->
        new Measure(
            Matrices.diagonal(ofKeys(moments.shape(), placement), identity(moments)),
            moments.inputs());
  }

  /**
   * TransMLA's balanced joint principal components (arXiv:2502.07864, section 4.4): keys divided by
   * the ratio of the mean norms of keys and values.
   */
  static Metric balanced() {
    return (moments, placement) -> {
      DMatrixRMaj up = ofKeys(moments.shape(), placement);
      double ratio = ratio(moments, placement, up);
      return new Measure(
          Matrices.diagonal(Matrices.scaled(1 / (ratio * ratio), up), identity(moments)),
          moments.inputs());
    };
  }

  /**
   * The laboratory's own: both blocks count as the variance of the attention's output that they
   * cause. {@code L_K = sum_h s_h P_h^T E[q_h q_h^T] P_h / width} with P_h the head's map from what
   * is cached to its key and s_h the output's variance under its attention; {@code L_V = sum_h
   * W_O,h^T W_O,h} at the values of its group.
   */
  static Metric output() {
    return (moments, placement) -> {
      GroupedShape shape = moments.shape();
      int rows = 2 * placement.rest().length;
      DMatrixRMaj keys = new DMatrixRMaj(rows, rows);
      DMatrixRMaj values = new DMatrixRMaj(shape.keyWidth(), shape.keyWidth());
      for (int h = 0; h < shape.heads(); h++) {
        if (rows > 0) {
          DMatrixRMaj map = placement.keyOfPlain(shape, h);
          DMatrixRMaj asked =
              Matrices.transposedMultiply(map, Matrices.multiply(moments.queries()[h], map));
          Matrices.add(keys, moments.deviation()[h] / shape.width(), asked);
        }
        int w = shape.width();
        int at = h / shape.sharing() * w;
        DMatrixRMaj out = Matrices.columns(moments.outputWeight(), h * w, w);
        DMatrixRMaj seen = Matrices.transposedMultiply(out, out);
        for (int i = 0; i < w; i++) {
          for (int j = 0; j < w; j++) {
            values.add(at + i, at + j, seen.get(i, j));
          }
        }
      }
      return new Measure(Matrices.diagonal(keys, values), moments.inputs());
    };
  }

  /** Mean over the query heads of a group: the identity for an orthogonal mixing. */
  private static DMatrixRMaj ofKeys(GroupedShape shape, Placement placement) {
    int rows = 2 * placement.rest().length;
    DMatrixRMaj sum = new DMatrixRMaj(rows, rows);
    for (int h = 0; h < shape.heads() && rows > 0; h++) {
      DMatrixRMaj map = placement.keyOfPlain(shape, h);
      Matrices.add(sum, 1.0 / shape.sharing(), Matrices.transposedMultiply(map, map));
    }
    return sum;
  }

  private static double ratio(Moments moments, Placement placement, DMatrixRMaj up) {
    int rows = up.numRows;
    if (rows == 0) {
      return 1;
    }
    DMatrixRMaj plain =
        Matrices.multiply(placement.plainOfKeys(moments.shape()), moments.keyWeight());
    DMatrixRMaj keys = Matrices.sandwich(plain, moments.inputs());
    DMatrixRMaj values = Matrices.sandwich(moments.valueWeight(), moments.inputs());
    double k = 0;
    for (int i = 0; i < rows; i++) {
      k += Math.sqrt(Math.max(0, keys.get(i, i) * up.get(i, i))) / rows;
    }
    double v = 0;
    for (int i = 0; i < values.numRows; i++) {
      v += Math.sqrt(Math.max(0, values.get(i, i))) / values.numRows;
    }
    return k > 0 && v > 0 ? k / v : 1;
  }

  private static DMatrixRMaj identity(Moments moments) {
    return CommonOps_DDRM.identity(moments.shape().keyWidth());
  }
}

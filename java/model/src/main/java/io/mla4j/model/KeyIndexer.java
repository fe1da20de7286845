package io.mla4j.model;

import io.mla4j.BoundOperation;
import io.mla4j.ComputeType;
import io.mla4j.DecodePlan;
import io.mla4j.checkpoint.AttentionDescription.Indexer;
import io.mla4j.checkpoint.TensorRole;
import io.mla4j.ops.AppendRows;
import io.mla4j.ops.ChooseKeys;
import io.mla4j.ops.LayerNorm;
import io.mla4j.ops.Linear;
import io.mla4j.ops.Rotate;
import io.mla4j.ops.Rotation;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;

/**
 * What chooses the tokens of sparse attention (DeepSeek-V3.2, section 2.1), from h = norm(x) and
 * the normed query latent c.
 *
 * <pre>
 * k = rotate(layerNorm(W_K h))       into the cache
 * q = rotate(W_Q c),  w = W_W h
 * the tokens s with the largest sum_j w_j relu(q_j . k_s)
 * </pre>
 *
 * <p>The first elements of queries and keys are rotated. All heads' scores have the same positive
 * factors in the paper, which change no choice.
 */
final class KeyIndexer {
  /** Of the cache: latents are group 0. */
  private static final int GROUP = 1;

  private final int topK;
  private final BoundOperation[] toKeys;
  private final BoundOperation append;
  private final BoundOperation[] toQueries;
  private final BoundOperation choose;

  /** {@code layer}: of the keys. */
  KeyIndexer(Frame f, int layer, Indexer x, DecoderWeights.Layer w, Tensor queryLatent) {
    topK = x.topK();
    Rotation rotation = f.rotation(x.rope());
    Tensor keys = f.rows("indexKeys", x.width());
    Tensor norm = w.vector(TensorRole.INDEX_KEY_NORM);
    Tensor bias = w.vector(TensorRole.INDEX_KEY_NORM_BIAS);
    toKeys =
        new BoundOperation[] {
          f.bind(Linear.of(f.h(), w.matrix(TensorRole.INDEX_KEY), f.compute(), keys)),
          f.bind(new LayerNorm(keys, norm, bias, x.normEps(), keys)),
          rotate(f, rotation, keys, x.width())
        };
    append = f.bind(new AppendRows(GROUP, layer, keys));
    Tensor queries = f.rows("indexQueries", x.heads() * x.width());
    Tensor weights = f.rows("indexWeights", x.heads());
    toQueries =
        new BoundOperation[] {
          f.bind(Linear.of(queryLatent, w.matrix(TensorRole.INDEX_QUERY), f.compute(), queries)),
          rotate(f, rotation, queries, x.width()),
          f.bind(Linear.of(f.h(), w.matrix(TensorRole.INDEX_WEIGHTS), ComputeType.F32, weights))
        };
    choose =
        f.bind(
            new ChooseKeys(
                GROUP,
                layer,
                queries.reshape(f.n(), x.heads(), x.width()),
                weights,
                f.chosen(topK)));
  }

  /** Of each head of {@code width} elements those that the rotation has, the first ones. */
  private static BoundOperation rotate(Frame f, Rotation rotation, Tensor rows, int width) {
    long[] shape = {f.n(), rows.dim(1) / width, rotation.width()};
    long[] strides = {rows.dim(1), width, 1};
    Tensor first = Tensor.strided(rows.segment(), StorageFormat.F32, shape, strides);
    return f.bind(new Rotate(first, rotation, first));
  }

  /** The keys of the new tokens into the cache. */
  void remember(DecodePlan plan) {
    for (BoundOperation operation : toKeys) {
      operation.run();
    }
    append.run(plan);
  }

  /** The choices of the new tokens, where one of them sees more tokens than are chosen. */
  void choose(DecodePlan plan) {
    boolean needed = false;
    for (int i = 0; i < plan.sequences(); i++) {
      needed |= plan.kvTokens(i) > topK;
    }
    if (needed) {
      for (BoundOperation operation : toQueries) {
        operation.run();
      }
      choose.run(plan);
    }
  }
}

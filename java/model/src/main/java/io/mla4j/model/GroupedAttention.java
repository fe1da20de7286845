package io.mla4j.model;

import io.mla4j.BoundOperation;
import io.mla4j.ComputeType;
import io.mla4j.checkpoint.AttentionDescription;
import io.mla4j.checkpoint.TensorRole;
import io.mla4j.ops.AppendGrouped;
import io.mla4j.ops.AttendGrouped;
import io.mla4j.ops.AttentionScore;
import io.mla4j.ops.Linear.Projection;
import io.mla4j.ops.Operation;
import io.mla4j.ops.RmsNorm;
import io.mla4j.ops.Rotate;
import io.mla4j.ops.Rotation;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * Attention to keys and values that groups of heads share: as many as heads (MHA: Vaswani et al.,
 * 2017), some (GQA: Ainslie et al., 2023) or one (MQA: Shazeer, 2019).
 *
 * <pre>
 * h = norm(x)
 * q, k, v = W_Q h, W_K h, W_V h      with biases where there are some
 * q, k = norm(q), norm(k)            of each head, where there are such norms
 * into the cache go v and rotate(k)
 * o = attend(rotate(q))              each group of heads to its keys and values
 * x += residualScale * W_O o
 * </pre>
 */
final class GroupedAttention extends CachedAttention {
  private final int plan;
  private final BoundOperation[] toRows;
  private final BoundOperation append;
  private final BoundOperation[] toQueries;
  private final BoundOperation attend;

  /** {@code layer}: the first of the cache's that hold the keys and values. */
  GroupedAttention(
      Frame f, int layer, AttentionDescription.Grouped grouped, DecoderWeights.Layer w) {
    ComputeType compute = f.compute();
    int width = grouped.width();
    Heads queries = new Heads(f.rows("groupedQueries", grouped.heads() * width), width);
    Heads keys = new Heads(f.rows("groupedKeys", grouped.groups() * width), width);
    Heads values = new Heads(f.rows("groupedValues", grouped.groups() * width), width);
    Heads rows = new Heads(f.rows("groupedRows", 2 * grouped.groups() * width), 2 * width);
    Tensor out = f.rows("groupedOut", grouped.heads() * width);
    Rotation rotation = f.rotation(grouped.rope());
    Projection toQ =
        new Projection(
            w.matrix(TensorRole.QUERY), w.vectorIfAny(TensorRole.QUERY_BIAS), queries.rows);
    Projection toK =
        new Projection(w.matrix(TensorRole.KEY), w.vectorIfAny(TensorRole.KEY_BIAS), keys.rows);
    Projection toV =
        new Projection(
            w.matrix(TensorRole.VALUE), w.vectorIfAny(TensorRole.VALUE_BIAS), values.rows);
    super(f, w, new Projections(List.of(toQ), List.of(toK, toV)), out);
    plan = f.planOf(grouped.groupShape());
    toRows =
        new BoundOperation[] {
          f.bind(values.copiedTo(rows, 0)),
          f.bind(
              grouped.headNorm()
                  ? keys.normedTo(rows, width, w.vector(TensorRole.KEY_HEAD_NORM), f.eps())
                  : keys.copiedTo(rows, width))
        };
    append = f.bind(new AppendGrouped(layer, rows.heads(), rotation));
    List<Operation> ofQueries = new ArrayList<>();
    if (grouped.headNorm()) {
      ofQueries.add(queries.normedTo(queries, 0, w.vector(TensorRole.QUERY_HEAD_NORM), f.eps()));
    }
    ofQueries.add(new Rotate(queries.heads(), rotation, queries.heads()));
    toQueries = ofQueries.stream().map(f::bind).toArray(BoundOperation[]::new);
    attend =
        f.bind(
            new AttendGrouped(
                layer,
                grouped.groups(),
                queries.heads(),
                AttentionScore.of(grouped.scoreScale()).with(f.probabilities()),
                compute,
                new Heads(out, width).heads()));
  }

  @Override
  void append(Plans plans) {
    for (BoundOperation operation : toRows) {
      operation.run();
    }
    append.run(plans.get(plan));
  }

  @Override
  void attendProjected(Plans plans) {
    for (BoundOperation operation : toQueries) {
      operation.run();
    }
    attend.run(plans.get(plan));
  }

  /**
   * What a projection gives for all heads.
   *
   * @param rows (n, heads * width)
   */
  private record Heads(Tensor rows, int width) {
    int count() {
      return (int) rows.dim(1) / width;
    }

    /** (n, heads, width). */
    Tensor heads() {
      return rows.reshape(rows.dim(0), count(), width);
    }

    /** As many elements of the heads of {@code to}, from {@code at} on, become these. */
    Operation copiedTo(Heads to, int at) {
      return new Rotate(heads(), Rotation.none(rows.dim(0)), to.heads().along(2, at, width));
    }

    /** The same, each head normed by itself. */
    Operation normedTo(Heads to, int at, Tensor weight, float eps) {
      long all = rows.dim(0) * count();
      Tensor target =
          Tensor.strided(
              to.rows.along(1, at, 1).segment(),
              StorageFormat.F32,
              new long[] {all, width},
              new long[] {to.width, 1});
      return new RmsNorm(rows.reshape(all, width), weight, eps, target);
    }
  }
}

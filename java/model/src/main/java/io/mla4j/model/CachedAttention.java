package io.mla4j.model;

import io.mla4j.BoundOperation;
import io.mla4j.checkpoint.TensorRole;
import io.mla4j.ops.Add;
import io.mla4j.ops.Linear;
import io.mla4j.ops.Linear.Projection;
import io.mla4j.ops.RmsNorm;
import io.mla4j.ops.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * Attention to rows of a paged cache, by what kinds of it share.
 *
 * <pre>
 * h = norm(x)
 * projections of h                   some become queries, the others go into the cache
 * o = attend(queries)
 * x += residualScale * W_O o
 * </pre>
 */
abstract sealed class CachedAttention implements AttentionPart
    permits GroupedAttention, MlaAttention {
  private final BoundOperation norm;
  private final BoundOperation project;
  private final BoundOperation projectCached;
  private final BoundOperation projectQuery;
  private final BoundOperation output;
  private final BoundOperation add;

  /**
   * What is projected from h.
   *
   * @param queries also what else {@link #attendProjected} reads
   */
  record Projections(List<Projection> queries, List<Projection> cached) {}

  /** {@code out}: the o of the heads, (n, heads * value). */
  CachedAttention(Frame f, DecoderWeights.Layer w, Projections fromHidden, Tensor out) {
    List<Projection> all = new ArrayList<>(fromHidden.queries);
    all.addAll(fromHidden.cached);
    Projection toHidden =
        new Projection(
            w.matrix(TensorRole.ATTENTION_OUTPUT),
            w.vectorIfAny(TensorRole.ATTENTION_OUTPUT_BIAS),
            f.h());
    norm = f.bind(new RmsNorm(f.x(), w.vector(TensorRole.ATTENTION_NORM), f.eps(), f.h()));
    project = f.bind(new Linear(f.h(), all, f.compute()));
    projectCached = f.bind(new Linear(f.h(), fromHidden.cached, f.compute()));
    projectQuery = f.bind(new Linear(f.h(), fromHidden.queries, f.compute()));
    output = f.bind(new Linear(out, List.of(toHidden), f.compute()));
    add = f.bind(new Add(f.x(), f.h(), f.residualScale(), f.x()));
  }

  /** Appends what was projected for the cache. */
  abstract void append(Plans plans);

  /** From projected queries to o. */
  abstract void attendProjected(Plans plans);

  @Override
  public final void run(Plans plans) {
    norm.run();
    project.run();
    append(plans);
    finish(plans);
  }

  @Override
  public final void remember(Plans plans) {
    norm.run();
    projectCached.run();
    append(plans);
  }

  @Override
  public final void attend(Plans plans) {
    projectQuery.run();
    finish(plans);
  }

  private void finish(Plans plans) {
    attendProjected(plans);
    output.run();
    add.run();
  }
}

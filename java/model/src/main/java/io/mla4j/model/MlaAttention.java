package io.mla4j.model;

import io.mla4j.BoundOperation;
import io.mla4j.ComputeType;
import io.mla4j.MlaShape;
import io.mla4j.checkpoint.AttentionDescription;
import io.mla4j.checkpoint.TensorRole;
import io.mla4j.ops.AppendLatent;
import io.mla4j.ops.Attend;
import io.mla4j.ops.AttendChosen;
import io.mla4j.ops.AttentionScore;
import io.mla4j.ops.Gate;
import io.mla4j.ops.Linear;
import io.mla4j.ops.Linear.Projection;
import io.mla4j.ops.Operation;
import io.mla4j.ops.RmsNorm;
import io.mla4j.ops.Rotate;
import io.mla4j.ops.Rotation;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Multi-head latent attention (DeepSeek-V2, section 2.1).
 *
 * <pre>
 * h = norm(x)
 * [c | k] = W_DKV h                  the latent path: into the cache go norm(c) and rotate(k);
 *                                    where the latent has no norm, c
 * q = rotate(W_UQ norm(W_DQ h))      the query path, or rotate(W_Q h)
 * q *= queryScale(position)          where there is one
 * o = attend(q)                      to all that is cached, or to what a KeyIndexer chose; with
 *                                    ALiBi's slopes score(i, j) -= slope (i - j)
 * o *= sigmoid(W_G h)                where there is a gate, of each head or of each element
 * x += residualScale * W_O o
 * </pre>
 */
final class MlaAttention extends CachedAttention {
  /**
   * Where a layer's rows lie in the cache.
   *
   * @param layer of the latents, among those with rows as wide
   * @param indexLayer of the indexer's keys, where the layer has them
   */
  record Place(int layer, int indexLayer) {}

  private final int plan;
  private final BoundOperation append;
  private final QueryPath query;

  /** Null where the layer has none of its own. */
  private final @Nullable KeyIndexer indexer;

  private final BoundOperation attend;
  private final @Nullable BoundOperation gate;

  MlaAttention(Frame f, Place place, AttentionDescription.Mla mla, DecoderWeights.Layer w) {
    MlaShape shape = mla.shape();
    ComputeType compute = f.compute();
    Rotation rotation = f.rotation(mla.rope());
    Tensor latent = f.rows("latent" + shape.cached(), shape.cached());
    Tensor values = f.rows("values", shape.heads() * shape.value());
    QueryPath query = new QueryPath(f, mla, w, rotation);
    Projection latentDown =
        new Projection(
            w.matrix(TensorRole.LATENT_DOWN), w.vectorIfAny(TensorRole.LATENT_DOWN_BIAS), latent);
    List<Projection> ofQueries = new ArrayList<>(List.of(query.fromHidden));
    Weight gates = w.matrixIfAny(TensorRole.OUTPUT_GATE);
    if (gates != null) {
      ofQueries.add(new Projection(gates, null, f.rows("gates", gates.out())));
    }
    super(f, w, new Projections(ofQueries, List.of(latentDown)), values);
    this.query = query;
    plan = f.planOf(shape);
    gate =
        gates == null
            ? null
            : f.bind(new Gate(values, ofQueries.getLast().out(), Gate.Function.SIGMOID, values));
    append =
        f.bind(
            new AppendLatent(
                place.layer,
                latent,
                w.vectorIfAny(TensorRole.LATENT_NORM),
                mla.latentNormEps(),
                rotation));
    indexer =
        mla.indexer()
            .filter(x -> !x.shared())
            .map(x -> new KeyIndexer(f, place.indexLayer, x, w, query.requiredLatent()))
            .orElse(null);
    Attend toAll =
        new Attend(
            place.layer,
            shape,
            query.queries,
            w.up(),
            new AttentionScore(mla.scoreScale(), f.slopes(mla.slopes()), f.probabilities()),
            compute,
            values.reshape(f.n(), shape.heads(), shape.value()));
    attend =
        f.bind(
            mla.indexer()
                .map(x -> (Operation) new AttendChosen(toAll, f.chosen(x.topK())))
                .orElse(toAll));
  }

  @Override
  void append(Plans plans) {
    append.run(plans.get(plan));
    if (indexer != null) {
      indexer.remember(plans.get(plan));
    }
  }

  @Override
  void attendProjected(Plans plans) {
    query.run();
    if (indexer != null) {
      indexer.choose(plans.get(plan));
    }
    attend.run(plans.get(plan));
    if (gate != null) {
      gate.run();
    }
  }

  /** From what was projected from h to rotated queries. */
  private static final class QueryPath {
    /** W_DQ, or W_Q where there is no query latent. */
    final Projection fromHidden;

    /** (n, qLora), normed; null where there is no query latent. */
    final @Nullable Tensor latent;

    /** (n, heads, nope + rope). */
    final Tensor queries;

    private final BoundOperation[] steps;

    /** What an indexer reads. */
    Tensor requiredLatent() {
      return Objects.requireNonNull(latent, "an indexer reads the query latent");
    }

    QueryPath(Frame f, AttentionDescription.Mla mla, DecoderWeights.Layer w, Rotation rotation) {
      MlaShape shape = mla.shape();
      Tensor q = f.rows("q", shape.heads() * shape.query());
      queries = q.reshape(f.n(), shape.heads(), shape.query());
      List<Operation> all = new ArrayList<>();
      if (mla.queryLatent().isEmpty()) {
        latent = null;
        fromHidden =
            new Projection(w.matrix(TensorRole.QUERY), w.vectorIfAny(TensorRole.QUERY_BIAS), q);
      } else {
        latent = f.rows("queryLatent", mla.queryLatent().getAsInt());
        fromHidden =
            new Projection(
                w.matrix(TensorRole.QUERY_DOWN), w.vectorIfAny(TensorRole.QUERY_DOWN_BIAS), latent);
        all.add(new RmsNorm(latent, w.vector(TensorRole.QUERY_NORM), mla.latentNormEps(), latent));
        all.add(Linear.of(latent, w.matrix(TensorRole.QUERY_UP), f.compute(), q));
      }
      all.add(new Rotate(queries, rotation, queries));
      mla.queryScale()
          .ifPresent(scale -> all.add(new Gate(q, f.factors(scale), Gate.Function.IDENTITY, q)));
      steps = all.stream().map(f::bind).toArray(BoundOperation[]::new);
    }

    void run() {
      for (BoundOperation step : steps) {
        step.run();
      }
    }
  }
}

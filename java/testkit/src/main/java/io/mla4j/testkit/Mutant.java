package io.mla4j.testkit;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import io.mla4j.AttentionCosts;
import io.mla4j.ComputeType;
import io.mla4j.ops.Absorb;
import io.mla4j.ops.Add;
import io.mla4j.ops.AppendLatent;
import io.mla4j.ops.AttendDelta;
import io.mla4j.ops.AttentionScore;
import io.mla4j.ops.Combine;
import io.mla4j.ops.Embed;
import io.mla4j.ops.Expand;
import io.mla4j.ops.Gate;
import io.mla4j.ops.LayerNorm;
import io.mla4j.ops.Merge;
import io.mla4j.ops.RmsNorm;
import io.mla4j.ops.RopeLayout;
import io.mla4j.ops.Rotate;
import io.mla4j.ops.Rotation;
import io.mla4j.ops.Route;
import io.mla4j.ops.Routing;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.SwiGlu;
import io.mla4j.ops.Tensor;
import io.mla4j.spi.AppendTile;
import io.mla4j.spi.AttentionTile;
import io.mla4j.spi.ChoiceTile;
import io.mla4j.spi.DeltaTile;
import io.mla4j.spi.Kernels;
import io.mla4j.spi.MatrixProduct;
import io.mla4j.spi.Multiply;
import io.mla4j.spi.Pack;
import io.mla4j.spi.ScoreTile;
import io.mla4j.spi.Tile;
import io.mla4j.spi.TileKernel;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.Set;

/**
 * A defect that somebody could make: a table of operations that does not find it proves nothing.
 */
public enum Mutant {
  /** Scores one percent too large. */
  SCALE_ONE_PERCENT(
      Operation.ATTEND_ABSORBED, Operation.ATTEND_DECOMPRESSED, Operation.ATTEND_GROUPED),
  /** 1/sqrt(latent + rope) instead of the scale that was given. */
  SCALE_OF_CACHED_ROW(Operation.ATTEND_ABSORBED, Operation.ATTEND_DECOMPRESSED),
  /** The newest token is not seen. */
  DROPS_LAST_TOKEN(Operation.ATTEND_ABSORBED, Operation.ATTEND_GROUPED),
  /** A query sees one token too few. */
  CAUSAL_ONE_LESS(
      Operation.ATTEND_ABSORBED, Operation.ATTEND_DECOMPRESSED, Operation.ATTEND_GROUPED),
  /** A query sees the future. */
  NOT_CAUSAL(Operation.ATTEND_ABSORBED, Operation.ATTEND_DECOMPRESSED, Operation.ATTEND_GROUPED),
  /** BF16 is computed as F32: nothing is rounded. */
  NO_ROUNDING(
      Operation.LINEAR,
      Operation.HEAD_LINEAR,
      Operation.ATTEND_ABSORBED,
      Operation.ATTEND_DECOMPRESSED),
  /** F32 is computed as BF16. */
  NEEDLESS_ROUNDING(
      Operation.LINEAR,
      Operation.HEAD_LINEAR,
      Operation.ATTEND_ABSORBED,
      Operation.ATTEND_DECOMPRESSED),
  /** Queries are rounded, probabilities are not. */
  PROBABILITIES_NOT_ROUNDED(Operation.ATTEND_ABSORBED),
  /** ALiBi is forgotten. */
  NO_ALIBI(Operation.ATTEND_ABSORBED, Operation.ATTEND_DECOMPRESSED),
  /** The base of the logarithm is 2. */
  LSE_BASE_TWO(Operation.ATTEND_ABSORBED, Operation.ATTEND_DECOMPRESSED, Operation.MERGE),
  /** An empty row has NaN. */
  EMPTY_ROW_NAN(Operation.ATTEND_ABSORBED, Operation.MERGE),
  /** The first byte behind the results is written. */
  WRITES_ONE_BEYOND(Operation.LINEAR),
  /** The column before the range is written. */
  WRITES_BEFORE_RANGE(Operation.LINEAR),
  /** The bias is forgotten. */
  NO_BIAS(Operation.LINEAR),
  /** Gathered rows are taken in order. */
  NO_GATHER(Operation.LINEAR),
  /** Activations are rounded to bf16 where integers are meant. */
  NO_INTEGERS(Operation.LINEAR, Operation.HEAD_LINEAR),
  /** A partial result is left out. */
  ONE_PART_LESS(Operation.MERGE, Operation.ATTEND_GROUPED),
  /** Pairs where halves are meant, and the other way round. */
  OTHER_ROPE_LAYOUT(Operation.ROPE, Operation.APPEND, Operation.ATTEND_GROUPED),
  /** The angle's sign is turned round. */
  TURNS_BACK(Operation.ROPE, Operation.APPEND, Operation.ATTEND_GROUPED),
  /** Every row is one position late. */
  APPEND_ONE_LATE(Operation.APPEND, Operation.ATTEND_GROUPED),
  /** The norm's epsilon is another. */
  OTHER_EPS(Operation.RMS_NORM, Operation.LAYER_NORM, Operation.APPEND, Operation.ATTEND_DELTA),
  /** gate and up change places. */
  GATE_IS_UP(Operation.SWIGLU),
  NO_LIMIT(Operation.SWIGLU),
  /** A sigmoid where something else is meant, and the other way round. */
  OTHER_GATE(Operation.GATE),
  /** The residual's scale is forgotten. */
  UNSCALED_RESIDUAL(Operation.ADD),
  /** The embedding's scale is forgotten. */
  UNSCALED_EMBEDDING(Operation.EMBED),
  /** The router's weights are not scaled. */
  UNSCALED_ROUTING(Operation.ROUTE),
  /** The bias chooses no experts. */
  ROUTE_WITHOUT_BIAS(Operation.ROUTE),
  /** Groups by their best expert where the sum of two is meant, and the other way round. */
  OTHER_GROUP_SCORE(Operation.ROUTE),
  /** Experts of dropped groups as zero where minus infinity is meant, and the other way round. */
  OTHER_GROUP_MASK(Operation.ROUTE),
  /** The shared expert is forgotten. */
  NO_SHARED_EXPERT(Operation.COMBINE),
  /** The last of a token's experts has no weight. */
  LAST_EXPERT_DROPPED(Operation.COMBINE),
  /** Every call starts with an empty state. */
  FORGETS_STATE(Operation.ATTEND_DELTA),
  /** The decay is bounded where it is not, and the other way round. */
  OTHER_DECAY(Operation.ATTEND_DELTA),
  /** Queries and keys change places. */
  QUERIES_ARE_KEYS(Operation.ATTEND_DELTA),
  /** What a head forgets does not depend on the head. */
  SAME_RATES(Operation.ATTEND_DELTA),
  /** The layer norm's bias is the weight. */
  WEIGHT_IS_BIAS(Operation.LAYER_NORM),
  /** Heads of the indexer all count the same. */
  NO_INDEX_WEIGHTS(Operation.INDEX_SCORES),
  /** Queries of the indexer stand one position too early. */
  INDEX_ONE_EARLY(Operation.INDEX_SCORES),
  /** The last of the scores is not looked at. */
  NEVER_CHOOSES_LAST(Operation.TOP_K);

  private final Set<Operation> operations;

  Mutant(Operation... operations) {
    this.operations = Set.of(operations);
  }

  /** The operations that it breaks. */
  public Set<Operation> operations() {
    return operations;
  }

  /** {@code kernels} with this defect. */
  public Kernels in(Kernels kernels) {
    return new Kernels() {
      @Override
      public TileKernel bind(io.mla4j.ops.Operation operation) {
        return new Mutated(kernels, operation);
      }

      @Override
      public String isa() {
        return kernels.isa();
      }

      @Override
      public AttentionCosts attentionCosts() {
        return kernels.attentionCosts();
      }
    };
  }

  /** An operation that is prepared with other operands, run over other ranges, or overwritten. */
  private final class Mutated implements TileKernel {
    private final Kernels kernels;
    private final io.mla4j.ops.Operation operation;
    private io.mla4j.ops.Operation mutated;
    private TileKernel kernel;

    Mutated(Kernels kernels, io.mla4j.ops.Operation operation) {
      this.kernels = kernels;
      this.operation = operation;
    }

    @Override
    public void prepare() {
      mutated = change(operation);
      kernel = kernels.bind(mutated);
      kernel.prepare();
    }

    @Override
    public long workspaceBytes() {
      return kernel.workspaceBytes();
    }

    @Override
    public void run(Tile tile) {
      kernel.run(mutated instanceof AttentionTile a ? changeKeys(a, tile) : tile);
      overwrite(operation, tile);
    }
  }

  private boolean is(Mutant m) {
    return this == m;
  }

  private io.mla4j.ops.Operation change(io.mla4j.ops.Operation operation) {
    return switch (operation) {
      case Pack o -> new Pack(change(o.product()));
      case Multiply o -> new Multiply(change(o.product()));
      case Absorb o -> new Absorb(o.q(), o.up(), change(o.compute()), o.out());
      case Expand o -> new Expand(o.x(), o.up(), change(o.compute()), o.out());
      case AttentionTile o -> change(o);
      case Merge o when is(ONE_PART_LESS) ->
          new Merge(
              o.partialOut().first(Math.max(1, o.parts() - 1)),
              o.partialLse().first(Math.max(1, o.parts() - 1)),
              o.out(),
              o.lse());
      case AppendTile o -> change(o);
      case DeltaTile o -> change(o);
      case Rotate o -> new Rotate(o.q(), change(o.rotation()), o.out());
      case RmsNorm o -> new RmsNorm(o.x(), o.weight(), changeEps(o.eps()), o.out());
      case LayerNorm o ->
          new LayerNorm(
              o.x(),
              o.weight(),
              is(WEIGHT_IS_BIAS) ? o.weight() : o.bias(),
              changeEps(o.eps()),
              o.out());
      case ScoreTile o -> change(o);
      case ChoiceTile o -> change(o);
      case SwiGlu o when is(GATE_IS_UP) -> new SwiGlu(o.up(), o.gate(), o.limit(), o.out());
      case SwiGlu o when is(NO_LIMIT) -> new SwiGlu(o.gate(), o.up(), o.out());
      case Gate o when is(OTHER_GATE) -> change(o);
      case Add o when is(UNSCALED_RESIDUAL) -> new Add(o.x(), o.residual(), 1, o.out());
      case Embed o when is(UNSCALED_EMBEDDING) -> new Embed(o.table(), o.ids(), 1, o.out());
      case Route o ->
          new Route(
              change(o.routing()),
              o.logits(),
              is(ROUTE_WITHOUT_BIAS) ? null : o.bias(),
              o.experts(),
              o.weights());
      case Combine o -> change(o);
      default -> operation;
    };
  }

  private ComputeType change(ComputeType compute) {
    return is(NO_ROUNDING) || is(PROBABILITIES_NOT_ROUNDED)
        ? ComputeType.F32
        : is(NEEDLESS_ROUNDING) || is(NO_INTEGERS) && compute == ComputeType.INT8
            ? ComputeType.BF16
            : compute;
  }

  private MatrixProduct change(MatrixProduct p) {
    boolean inOrder =
        is(NO_GATHER) && p.x().byteSize() >= 4 * ((p.rows() - 1) * p.xStride() + p.k());
    return new MatrixProduct()
        .with(change(p.compute()), p.matrix(), is(NO_BIAS) ? MemorySegment.NULL : p.bias())
        .from(p.x(), p.xStride(), inOrder ? MemorySegment.NULL : p.indices(), p.rows())
        .to(p.y(), p.yStride());
  }

  private AttentionTile change(AttentionTile a) {
    int cached = a.cache().layout().latent() + a.cache().layout().rope();
    float scale =
        is(SCALE_ONE_PERCENT)
            ? a.scale() * 1.01f
            : is(SCALE_OF_CACHED_ROW) ? (float) (0.99 / Math.sqrt(cached + 1.0)) : a.scale();
    AttentionScore score =
        new AttentionScore(
            scale, is(NO_ALIBI) ? null : a.score().alibiSlopes(), a.score().probabilities());
    AttentionTile changed = a.copy(change(a.compute()), score);
    changed.variant(a.causal() && !is(NOT_CAUSAL), a.ownKeys());
    // Positions move with the count of cached tokens.
    boolean less = is(CAUSAL_ONE_LESS) && a.causal() && a.kvTokens() > a.queryTokens();
    changed.tokens(a.queryTokens(), less ? a.kvTokens() - 1 : a.kvTokens());
    if (is(PROBABILITIES_NOT_ROUNDED) && a.rounds()) {
      float[] rounded = a.q().toArray(JAVA_FLOAT_UNALIGNED);
      for (int i = 0; i < rounded.length; i++) {
        rounded[i] = Rounding.bf16(rounded[i]);
      }
      changed.queries(copy(rounded), a.qTokenStride(), a.qHeadStride());
    }
    return changed;
  }

  private ScoreTile change(ScoreTile o) {
    ScoreTile changed = new ScoreTile(o.heads());
    boolean early = is(INDEX_ONE_EARLY) && o.kvTokens() > o.queryTokens();
    changed.pages(o.cache(), o.pages(), o.pageTable());
    changed.tokens(o.queryTokens(), early ? o.kvTokens() - 1 : o.kvTokens());
    changed.queries(o.q(), o.qTokenStride(), o.qHeadStride());
    changed.scores(o.scores(), o.scoreStride());
    if (is(NO_INDEX_WEIGHTS)) {
      float[] ones = new float[o.heads()];
      Arrays.fill(ones, 1);
      changed.weights(copy(ones), 0);
    } else {
      changed.weights(o.weights(), o.weightStride());
    }
    return changed;
  }

  private ChoiceTile change(ChoiceTile o) {
    ChoiceTile changed = new ChoiceTile(o.topK());
    changed.rows(o.rows(), is(NEVER_CHOOSES_LAST) ? o.count(0) - 1 : o.count(0));
    changed.scores(o.scores(), o.scoreStride());
    changed.chosen(o.chosen());
    return changed;
  }

  private Tile changeKeys(AttentionTile a, Tile tile) {
    int end = is(DROPS_LAST_TOKEN) ? Math.max(tile.keyBegin(), tile.keyEnd() - 1) : tile.keyEnd();
    end = Math.min(end, a.kvTokens());
    return new Tile()
        .rows(tile.rowBegin(), tile.rowEnd())
        .heads(tile.headBegin(), tile.headEnd())
        .keys(Math.min(tile.keyBegin(), end), end, tile.part())
        .workspace(tile.workspace());
  }

  private AppendTile change(AppendTile a) {
    AppendLatent o = a.operation();
    AppendTile changed =
        new AppendTile(
            new AppendLatent(
                o.layer(),
                o.latentAndKey(),
                o.normWeight(),
                changeEps(o.eps()),
                change(o.rotation())));
    changed.pages(a.cache(), a.pages(), a.pageTable());
    boolean room = (a.position() + a.tokens()) % a.cache().pageSize() != 0;
    int late = is(APPEND_ONE_LATE) && room ? 1 : 0;
    changed.tokens(a.firstToken(), a.tokens(), a.position() + late);
    return changed;
  }

  private DeltaTile change(DeltaTile d) {
    AttendDelta o = d.operation();
    AttendDelta.Inputs in = o.inputs();
    boolean swaps = is(QUERIES_ARE_KEYS);
    AttendDelta.Weights w = o.weights();
    Tensor rates = w.rates();
    if (is(SAME_RATES)) {
      float[] same = new float[(int) rates.dim(0)];
      Arrays.fill(same, 1);
      rates = Tensor.of(copy(same), StorageFormat.F32, same.length);
    }
    DeltaTile changed =
        new DeltaTile(
            new AttendDelta(
                o.layer(),
                new AttendDelta.Inputs(
                    swaps ? in.keys() : in.queries(),
                    swaps ? in.queries() : in.keys(),
                    in.values(),
                    in.decays(),
                    in.betas(),
                    in.gates()),
                new AttendDelta.Weights(
                    w.taps(), rates, w.decayBias(), w.norm(), changeEps(w.eps())),
                is(OTHER_DECAY) ? other(o.decay()) : o.decay(),
                o.out()));
    changed.states(is(FORGETS_STATE) ? MemorySegment.NULL : d.before(), d.after());
    changed.tokens(d.firstToken(), d.tokens());
    return changed;
  }

  private static AttendDelta.Decay other(AttendDelta.Decay decay) {
    return switch (decay) {
      case AttendDelta.Decay.Softplus _ -> new AttendDelta.Decay.Bounded(-5);
      case AttendDelta.Decay.Bounded _ -> new AttendDelta.Decay.Softplus();
    };
  }

  private Rotation change(Rotation rotation) {
    RopeLayout layout =
        is(OTHER_ROPE_LAYOUT)
            ? other(rotation.layout(), List.of(RopeLayout.values()))
            : rotation.layout();
    return new Rotation(
        rotation.cosines(), is(TURNS_BACK) ? negated(rotation.sines()) : rotation.sines(), layout);
  }

  private float changeEps(float eps) {
    return is(OTHER_EPS) ? eps * 2 + 1e-3f : eps;
  }

  private Routing change(Routing r) {
    return new Routing(
        r.experts(),
        r.topK(),
        r.score(),
        r.groups(),
        r.keptGroups(),
        is(OTHER_GROUP_SCORE)
            ? other(r.groupScore(), List.of(Routing.GroupScore.values()))
            : r.groupScore(),
        is(OTHER_GROUP_MASK)
            ? other(r.groupMask(), List.of(Routing.GroupMask.values()))
            : r.groupMask(),
        r.renormalize(),
        is(UNSCALED_ROUTING) ? 1 : r.scale());
  }

  private static Gate change(Gate o) {
    boolean sigmoid = o.function() == Gate.Function.SIGMOID;
    Gate.Function other = sigmoid ? Gate.Function.IDENTITY : Gate.Function.SIGMOID;
    return new Gate(o.x(), o.gates(), other, o.out());
  }

  private Combine change(Combine o) {
    Tensor weights = o.weights();
    if (is(LAST_EXPERT_DROPPED)) {
      float[] w = weights.segment().toArray(JAVA_FLOAT_UNALIGNED);
      for (int i = o.topK() - 1; i < w.length; i += o.topK()) {
        w[i] = 0;
      }
      weights = Tensor.of(copy(w), StorageFormat.F32, weights.dim(0), weights.dim(1));
    }
    return new Combine(
        o.expertOut(), o.slots(), weights, is(NO_SHARED_EXPERT) ? null : o.shared(), o.out());
  }

  private static <T> T other(T value, List<T> two) {
    return two.get(1 - two.indexOf(value));
  }

  private static Tensor negated(Tensor sines) {
    float[] turned = sines.segment().toArray(JAVA_FLOAT_UNALIGNED);
    for (int i = 0; i < turned.length; i++) {
      turned[i] = -turned[i];
    }
    return Tensor.of(copy(turned), StorageFormat.F32, sines.dim(0), sines.dim(1));
  }

  private static MemorySegment copy(float[] values) {
    return Arena.ofAuto().allocateFrom(JAVA_FLOAT_UNALIGNED, values);
  }

  /** What is written after the kernel. */
  private void overwrite(io.mla4j.ops.Operation operation, Tile tile) {
    switch (operation) {
      case Multiply o -> {
        MatrixProduct p = o.product();
        long beyond = 4 * (p.yStride() * (p.rows() - 1) + tile.rowEnd());
        if (is(WRITES_ONE_BEYOND) && beyond < p.y().byteSize()) {
          p.y().set(JAVA_FLOAT_UNALIGNED, beyond, 1);
        }
        if (is(WRITES_BEFORE_RANGE) && tile.rowBegin() > 0) {
          p.y().set(JAVA_FLOAT_UNALIGNED, 4L * (tile.rowBegin() - 1), 1);
        }
      }
      case AttentionTile a -> {
        for (int t = tile.rowBegin(); t < tile.rowEnd(); t++) {
          for (int h = tile.headBegin(); h < tile.headEnd(); h++) {
            overwriteRow(
                a.lse(tile.part()),
                t * a.lseTokenStride() + h * a.lseHeadStride(),
                a.out(tile.part()),
                t * a.outTokenStride() + h * a.outHeadStride());
          }
        }
      }
      case Merge o when o.lse() != null -> {
        for (int row = tile.rowBegin(); row < tile.rowEnd(); row++) {
          long t = row / o.heads();
          long h = row % o.heads();
          overwriteRow(
              o.lse().segment(),
              t * o.lse().stride(0) + h,
              o.out().segment(),
              t * o.out().stride(0) + h * o.out().stride(1));
        }
      }
      default -> {}
    }
  }

  private void overwriteRow(MemorySegment lse, long lseAt, MemorySegment out, long outAt) {
    float value = lse.get(JAVA_FLOAT_UNALIGNED, 4 * lseAt);
    if (is(LSE_BASE_TWO)) {
      lse.set(JAVA_FLOAT_UNALIGNED, 4 * lseAt, value / (float) Math.log(2));
    }
    if (is(EMPTY_ROW_NAN) && value == Float.NEGATIVE_INFINITY) {
      out.set(JAVA_FLOAT_UNALIGNED, 4 * outAt, Float.NaN);
    }
  }
}

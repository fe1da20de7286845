package io.mla4j.device;

import io.mla4j.AttentionForm;
import io.mla4j.BoundOperation;
import io.mla4j.ComputeType;
import io.mla4j.MlaShape;
import io.mla4j.device.KernelOperation.AttendDecompressed;
import io.mla4j.device.KernelOperation.HeadMatMul;
import io.mla4j.device.KernelOperation.MatMul;
import io.mla4j.ops.Absorb;
import io.mla4j.ops.AppendLatent;
import io.mla4j.ops.Attend;
import io.mla4j.ops.AttendAbsorbed;
import io.mla4j.ops.Expand;
import io.mla4j.ops.FeedForward;
import io.mla4j.ops.Gate;
import io.mla4j.ops.LatentUp;
import io.mla4j.ops.Linear;
import io.mla4j.ops.Mixture;
import io.mla4j.ops.Operation;
import io.mla4j.ops.RopeLayout;
import io.mla4j.ops.Rotate;
import io.mla4j.ops.Rotation;
import io.mla4j.ops.StepOperation;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.SwiGlu;
import io.mla4j.ops.Tensor;
import io.mla4j.spi.PagedView;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;

/** Operations as launches of a device's kernels. */
final class DeviceOperations implements AutoCloseable {
  /** Plans that are kept: a step has one for each shape of its layers. */
  private static final int PLANS = 4;

  private final Accelerator device;
  private final KeptMemory planMemory;
  private final List<DevicePlan> plans = new ArrayList<>();
  private final KeptMemory.Buffer gates;
  private final KeptMemory.Buffer ups;
  private final KeptMemory.Buffer absorbedQueries;
  private final KeptMemory.Buffer latents;
  private final DeviceMixture mixture;

  DeviceOperations(Accelerator device, DeviceMemory memory) {
    this.device = device;
    planMemory = new KeptMemory(memory);
    for (int i = 0; i < PLANS; i++) {
      plans.add(new DevicePlan(device, planMemory.buffer()));
    }
    gates = device.kept().buffer();
    ups = device.kept().buffer();
    absorbedQueries = device.kept().buffer();
    latents = device.kept().buffer();
    mixture = new DeviceMixture(device, this::network);
  }

  BoundOperation bind(Operation operation) {
    return switch (operation) {
      case AppendLatent o -> append(o);
      case AttendAbsorbed o -> attendInOneForm(o, (int) o.q().dim(1), true);
      case AttendDecompressed o -> attendInOneForm(o, o.attend().shape().heads(), false);
      case Attend o -> attend(o);
      case Linear o -> sequence(() -> projections(o));
      case Absorb o -> sequence(() -> absorb(o.shape(), o.q(), o.up(), o.compute(), o.out()));
      case Expand o -> sequence(() -> expand(o.shape(), o.x(), o.up(), o.compute(), o.out()));
      case FeedForward o -> sequence(() -> network(o.x(), o.weights(), o.compute(), o.out()));
      case Mixture o -> sequence(() -> mixture.parts(o));
      default -> sequence(() -> List.of(operation));
    };
  }

  private BoundSequence sequence(Supplier<List<Operation>> parts) {
    return new BoundSequence(device, parts);
  }

  // Products

  private static List<Operation> projections(Linear o) {
    List<Operation> parts = new ArrayList<>();
    for (Linear.Projection p : o.projections()) {
      parts.add(
          new MatMul(
              o.x(), PlainWeights.tensor("weight", p.weight()), p.bias(), o.compute(), p.out()));
    }
    return parts;
  }

  /** out = down(silu(gate x) * up x), or down(relu(up x)^2). */
  private List<Operation> network(
      Tensor x, FeedForward.Weights w, ComputeType compute, Tensor out) {
    Tensor up = ups.tensor(StorageFormat.F32, x.dim(0), w.up().out());
    if (w.gate() == null) {
      return List.of(
          new MatMul(x, PlainWeights.tensor("weights.up", w.up()), null, compute, up),
          new Gate(up, up, Gate.Function.RELU, up),
          new MatMul(up, PlainWeights.tensor("weights.down", w.down()), null, compute, out));
    }
    Tensor gate = gates.tensor(StorageFormat.F32, x.dim(0), w.gate().out());
    return List.of(
        new MatMul(x, PlainWeights.tensor("weights.gate", w.gate()), null, compute, gate),
        new MatMul(x, PlainWeights.tensor("weights.up", w.up()), null, compute, up),
        new SwiGlu(gate, up, w.limit(), gate),
        new MatMul(gate, PlainWeights.tensor("weights.down", w.down()), null, compute, out));
  }

  /** out[t, h] = [W_UK[h]^T q_nope[t, h] | q_rope[t, h]]. */
  private static List<Operation> absorb(
      MlaShape s, Tensor q, LatentUp up, ComputeType compute, Tensor out) {
    if (q.dim(0) == 0) {
      return List.of();
    }
    Operation absorbed =
        new HeadMatMul(
            columns(q, 0, s.nope()),
            headRows(s, up, 0, s.nope()),
            true,
            compute,
            columns(out, 0, s.latent()));
    // A rotation of nothing copies.
    Tensor none = Tensor.of(MemorySegment.NULL, StorageFormat.F32, q.dim(0), 0);
    return s.rope() == 0
        ? List.of(absorbed)
        : List.of(
            absorbed,
            new Rotate(
                columns(q, s.nope(), s.rope()),
                new Rotation(none, none, RopeLayout.PAIRS),
                columns(out, s.latent(), s.rope())));
  }

  /** out[t, h] = W_UV[h] x[t, h]. */
  private static List<Operation> expand(
      MlaShape s, Tensor x, LatentUp up, ComputeType compute, Tensor out) {
    return x.dim(0) == 0
        ? List.of()
        : List.of(new HeadMatMul(x, headRows(s, up, s.nope(), s.value()), false, compute, out));
  }

  /** Some elements of every head: (n, heads, width) of (n, heads, ..). */
  private static Tensor columns(Tensor all, long from, long width) {
    return Tensor.strided(
        all.segment().asSlice(all.format().bytes(from)),
        all.format(),
        new long[] {all.dim(0), all.dim(1), width},
        new long[] {all.stride(0), all.stride(1), 1});
  }

  /** Some rows of every head of latentUp: (heads, rows, latent). */
  private static Tensor headRows(MlaShape s, LatentUp up, long from, long rows) {
    Tensor all = PlainWeights.fused(up);
    return Tensor.strided(
        all.segmentFrom(from),
        all.format(),
        new long[] {s.heads(), rows, s.latent()},
        new long[] {(s.nope() + s.value()) * all.stride(0), all.stride(0), 1});
  }

  // Steps

  private DevicePlan planOf(PagedView view, int heads, boolean absorbed) {
    for (DevicePlan made : plans) {
      if (made.isFor(view, heads, absorbed)) {
        return made;
      }
    }
    DevicePlan next = room(view, heads, absorbed);
    plans.remove(next);
    plans.add(next);
    next.fill(view, heads, absorbed);
    return next;
  }

  /**
   * The plan of the step before makes room, whose memory is large enough as a rule, else the one
   * that was made first.
   */
  private DevicePlan room(PagedView view, int heads, boolean absorbed) {
    for (DevicePlan made : plans) {
      if (made.isLike(view, heads, absorbed)) {
        return made;
      }
    }
    return plans.getFirst();
  }

  private BoundOperation append(AppendLatent o) {
    StepLaunch launch = bindStep(o);
    return new BoundStep(
        device,
        o,
        (view, cache) -> launch.launch(planOf(view, view.shape().heads(), false), null, 0, cache));
  }

  private BoundOperation attendInOneForm(StepOperation o, int heads, boolean absorbed) {
    StepLaunch launch = bindStep(o);
    return new BoundStep(
        device,
        o,
        (view, cache) -> {
          DevicePlan plan = planOf(view, heads, absorbed);
          for (DevicePlan.Run run : plan.runs()) {
            launch.launch(plan, run, run.firstToken(), cache);
          }
        });
  }

  private BoundOperation attend(Attend o) {
    StepLaunch decompressed = bindStep(new AttendDecompressed(o, null));
    ThroughLatents throughLatents = new ThroughLatents(o);
    return new BoundStep(
        device,
        o,
        (view, cache) -> {
          DevicePlan plan = planOf(view, o.shape().heads(), false);
          for (DevicePlan.Run run : plan.runs()) {
            if (run.form() == AttentionForm.ABSORBED) {
              throughLatents.launch(plan, run, cache);
            } else {
              decompressed.launch(plan, run, run.firstToken(), cache);
            }
          }
        });
  }

  private StepLaunch bindStep(StepOperation operation) {
    try (Accelerator.Turn _ = device.turn()) {
      return device.kernels().bind(operation);
    }
  }

  /**
   * Attention in the absorbed form: queries are absorbed, and results expanded. Made ready for the
   * rows of one run, which are those of the step before as a rule.
   */
  private final class ThroughLatents {
    private final Attend o;
    private int firstToken;
    private int tokens;
    private long moves = -1;
    private BoundSequence before;
    private StepLaunch attend;
    private BoundSequence after;

    ThroughLatents(Attend o) {
      this.o = o;
    }

    void launch(DevicePlan plan, DevicePlan.Run run, MemorySegment cache) {
      if (run.shape().tokens() == 0) {
        return;
      }
      bind(run.firstToken(), run.shape().tokens());
      before.launch();
      attend.launch(plan, run, 0, cache);
      after.launch();
    }

    private void bind(int first, int count) {
      KeptMemory kept = device.kept();
      while (first != firstToken || count != tokens || moves != kept.moves()) {
        long known = kept.moves();
        MlaShape s = o.shape();
        Tensor q = absorbedQueries.tensor(StorageFormat.F32, count, s.heads(), s.cached());
        Tensor sums = latents.tensor(StorageFormat.F32, count, s.heads(), s.latent());
        Tensor rotated = o.q().slice(first, count);
        Tensor out = o.out().slice(first, count);
        before = sequence(() -> absorb(s, rotated, o.up(), o.compute(), q));
        attend =
            device
                .kernels()
                .bind(new AttendAbsorbed(o.layer(), q, o.score(), o.compute(), sums, null));
        after = sequence(() -> expand(s, sums, o.up(), o.compute(), out));
        firstToken = first;
        tokens = count;
        moves = known;
      }
    }
  }

  /** For one launch of attention. */
  KeptMemory.Buffer workspace() {
    return planMemory.buffer();
  }

  @Override
  public void close() {
    planMemory.close();
  }
}

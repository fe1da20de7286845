package io.mla4j.cpu;

import io.mla4j.ComputeType;
import io.mla4j.Routing;
import io.mla4j.Tensor;
import io.mla4j.TensorType;
import io.mla4j.Weight;
import io.mla4j.spi.Ops.FeedForward;
import io.mla4j.spi.Ops.Mixture;
import io.mla4j.spi.RouteParams;
import io.mla4j.spi.TileKernels;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * SwiGLU networks, alone and as a mixture of experts. The tokens of all chosen experts, and the
 * shared expert, go through the same phases: gate and up, activation, down, weighted sum. Used
 * under the lock of {@link Workers}.
 */
final class MixtureOps implements AutoCloseable {
  private final TileKernels kernels;
  private final Workers workers;
  private final LinearOps linear;
  private final Buffer gates;
  private final Buffer ups;
  private final Buffer outs;
  private final Buffer sharedOuts;
  private final Buffer routes;
  private int[] counts = new int[0];
  private int[] nextSlot = new int[0];

  MixtureOps(
      TileKernels kernels, CpuDevice.Allocator allocator, Workers workers, LinearOps linear) {
    this.kernels = kernels;
    this.workers = workers;
    this.linear = linear;
    gates = new Buffer(allocator);
    ups = new Buffer(allocator);
    outs = new Buffer(allocator);
    sharedOuts = new Buffer(allocator);
    routes = new Buffer(allocator);
  }

  void checkFeedForward(String name, FeedForward weights, Tensor x, Tensor out) {
    Checks.requireFloats("x", x, 2);
    Checks.requireFloats("out", out, 2);
    Checks.requireOutput("out", out, TensorType.F32, x.dim(0), out.dim(1));
    Checks.require(weights != null, name + " is null");
    Checks.requireMatrix(name + ".gate", weights.gate());
    long inner = weights.gate().tensor().dim(0);
    Checks.require(name + ".gate", weights.gate(), inner, x.dim(1));
    Checks.require(name + ".up", weights.up(), inner, x.dim(1));
    Checks.require(name + ".down", weights.down(), out.dim(1), inner);
  }

  void checkMixture(Mixture weights, Tensor x, Tensor out) {
    Checks.require(weights != null && weights.routing() != null, "weights.routing is null");
    int experts = weights.routing().experts();
    Checks.require(
        weights.experts().size() == experts,
        "weights.experts has " + weights.experts().size() + " networks, but must have " + experts);
    Checks.requireFloats("x", x, 2);
    Checks.require("weights.router", weights.router(), experts, x.dim(1));
    if (weights.bias() != null) {
      Checks.require("weights.bias", weights.bias(), TensorType.F32, experts);
    }
    int inner = -1;
    for (int e = 0; e < experts; e++) {
      FeedForward expert = weights.experts().get(e);
      checkFeedForward("weights.experts[" + e + "]", expert, x, out);
      inner = e == 0 ? expert.gate().out() : inner;
      Checks.require(
          expert.gate().out() == inner,
          "weights.experts["
              + e
              + "] has an inner width of "
              + expert.gate().out()
              + ", but the first one has "
              + inner);
    }
    if (weights.shared() != null) {
      checkFeedForward("weights.shared", weights.shared(), x, out);
    }
  }

  void feedForward(Tensor x, FeedForward w, ComputeType compute, Tensor out) {
    int n = (int) x.dim(0);
    int inner = w.gate().out();
    MemorySegment gate = gates.floats((long) n * inner);
    MemorySegment up = ups.floats((long) n * inner);
    linear.begin();
    addInner(x, MemorySegment.NULL, n, w, gate, up, compute);
    linear.runGroups();
    activate(gate, up, n, inner);
    linear.begin();
    addDown(gate, n, w.down(), out.segment(), out.stride(0), compute);
    linear.runGroups();
  }

  void mixture(Tensor x, Mixture w, ComputeType compute, Tensor out) {
    Routing routing = w.routing();
    int n = (int) x.dim(0);
    int experts = routing.experts();
    int topK = routing.topK();
    int width = (int) out.dim(1);
    int slots = n * topK;
    int inner = w.experts().getFirst().gate().out();
    int sharedInner = w.shared() == null ? 0 : w.shared().gate().out();

    MemorySegment route = routes.bytes(4L * ((long) n * experts + 4L * slots));
    MemorySegment logits = route.asSlice(0, 4L * n * experts);
    MemorySegment chosen = route.asSlice(logits.byteSize(), 4L * slots);
    MemorySegment weights = route.asSlice(logits.byteSize() + 4L * slots, 4L * slots);
    MemorySegment slotOf = route.asSlice(logits.byteSize() + 8L * slots, 4L * slots);
    MemorySegment tokenOf = route.asSlice(logits.byteSize() + 12L * slots, 4L * slots);
    linear.begin();
    // Routing is float32 whatever the compute type: a flipped expert is no rounding error.
    linear.add(
        x.segment(),
        x.stride(0),
        MemorySegment.NULL,
        n,
        w.router(),
        MemorySegment.NULL,
        logits,
        experts,
        ComputeType.F32);
    linear.runGroups();
    MemorySegment bias = w.bias() == null ? MemorySegment.NULL : w.bias().segment();
    kernels.route(new RouteParams(n, routing, experts), logits, bias, 0, n, chosen, weights);
    assignSlots(experts, slots, topK, chosen, slotOf, tokenOf);

    long shared = (long) slots * inner; // the shared expert's rows lie behind those of the others
    MemorySegment gate = gates.floats(shared + (long) n * sharedInner);
    MemorySegment up = ups.floats(shared + (long) n * sharedInner);
    linear.begin();
    for (int e = 0, slot = 0; e < experts; slot += counts[e], e++) {
      if (counts[e] > 0) {
        long at = 4L * slot * inner;
        addInner(
            x,
            tokenOf.asSlice(4L * slot),
            counts[e],
            w.experts().get(e),
            gate.asSlice(at),
            up.asSlice(at),
            compute);
      }
    }
    if (w.shared() != null) {
      addInner(
          x,
          MemorySegment.NULL,
          n,
          w.shared(),
          gate.asSlice(4 * shared),
          up.asSlice(4 * shared),
          compute);
    }
    linear.runGroups();
    activate(gate, up, slots, inner);
    if (w.shared() != null) {
      activate(gate.asSlice(4 * shared), up.asSlice(4 * shared), n, sharedInner);
    }

    MemorySegment expertOut = outs.floats((long) slots * width);
    MemorySegment sharedOut =
        w.shared() == null ? MemorySegment.NULL : sharedOuts.floats((long) n * width);
    linear.begin();
    for (int e = 0, slot = 0; e < experts; slot += counts[e], e++) {
      if (counts[e] > 0) {
        addDown(
            gate.asSlice(4L * slot * inner),
            counts[e],
            w.experts().get(e).down(),
            expertOut.asSlice(4L * slot * width),
            width,
            compute);
      }
    }
    if (w.shared() != null) {
      addDown(gate.asSlice(4 * shared), n, w.shared().down(), sharedOut, width, compute);
    }
    linear.runGroups();
    combine(expertOut, slots, slotOf, weights, sharedOut, n, topK, width, out);
  }

  /** Slots in the order of the experts, and within one in the order of the tokens. */
  private void assignSlots(
      int experts,
      int slots,
      int topK,
      MemorySegment chosen,
      MemorySegment slotOf,
      MemorySegment tokenOf) {
    if (counts.length < experts) {
      counts = new int[experts];
      nextSlot = new int[experts];
    }
    Arrays.fill(counts, 0, experts, 0);
    for (int i = 0; i < slots; i++) {
      counts[Stored.readInt(chosen, i)]++;
    }
    for (int e = 0, slot = 0; e < experts; slot += counts[e], e++) {
      nextSlot[e] = slot;
    }
    for (int i = 0; i < slots; i++) {
      int slot = nextSlot[Stored.readInt(chosen, i)]++;
      Stored.writeInt(slotOf, i, slot);
      Stored.writeInt(tokenOf, slot, i / topK);
    }
  }

  private void addInner(
      Tensor x,
      MemorySegment indices,
      int rows,
      FeedForward w,
      MemorySegment gate,
      MemorySegment up,
      ComputeType compute) {
    int inner = w.gate().out();
    MemorySegment none = MemorySegment.NULL;
    linear.add(x.segment(), x.stride(0), indices, rows, w.gate(), none, gate, inner, compute);
    linear.add(x.segment(), x.stride(0), indices, rows, w.up(), none, up, inner, compute);
  }

  private void addDown(
      MemorySegment inner,
      int rows,
      Weight down,
      MemorySegment out,
      long stride,
      ComputeType compute) {
    MemorySegment none = MemorySegment.NULL;
    linear.add(inner, down.in(), none, rows, down, none, out, stride, compute);
  }

  /** gate = silu(gate) * up. */
  private void activate(MemorySegment gate, MemorySegment up, int rows, int inner) {
    int tileRows = Math.max(1, (1 << 14) / inner);
    workers.run(
        (rows + tileRows - 1) / tileRows,
        (tile, _) -> {
          int begin = tile * tileRows;
          long at = 4L * begin * inner;
          int count = Math.min(rows - begin, tileRows);
          MemorySegment g = gate.asSlice(at);
          kernels.swiglu(g, inner, up.asSlice(at), inner, count, inner, g, inner);
        });
  }

  private void combine(
      MemorySegment expertOut,
      int slots,
      MemorySegment slotOf,
      MemorySegment weights,
      MemorySegment sharedOut,
      int n,
      int topK,
      int width,
      Tensor out) {
    int tileRows = Math.max(1, (1 << 15) / (width * (topK + 1)));
    workers.run(
        (n + tileRows - 1) / tileRows,
        (tile, _) -> {
          int begin = tile * tileRows;
          MemorySegment shared =
              sharedOut.byteSize() == 0 ? sharedOut : sharedOut.asSlice(4L * begin * width);
          kernels.combine(
              expertOut,
              width,
              slots,
              slotOf.asSlice(4L * begin * topK),
              weights.asSlice(4L * begin * topK),
              shared,
              width,
              Math.min(n - begin, tileRows),
              topK,
              width,
              CpuOps.from(out, begin),
              out.stride(0));
        });
  }

  @Override
  public void close() {
    gates.close();
    ups.close();
    outs.close();
    sharedOuts.close();
    routes.close();
  }
}

package io.mla4j.cpu;

import io.mla4j.ComputeType;
import io.mla4j.ops.Ops.FeedForward;
import io.mla4j.ops.Ops.Mixture;
import io.mla4j.ops.Routing;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
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
  private final Activate activate = new Activate();
  private final Combine combine = new Combine();
  private RouteParams routeParams;
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

  void feedForward(Tensor x, FeedForward w, ComputeType compute, Tensor out) {
    int n = (int) x.dim(0);
    int inner = w.gate().out();
    gates.floats((long) n * inner);
    ups.floats((long) n * inner);
    linear.begin();
    addInner(x, MemorySegment.NULL, n, w, 0, compute);
    linear.runGroups();
    activate.run(0, n, inner);
    linear.begin();
    addDown(0, n, w.down(), out.segment(), out.stride(0), compute);
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

    long logitBytes = 4L * n * experts;
    long slotBytes = 4L * slots;
    routes.bytes(logitBytes + 4 * slotBytes);
    MemorySegment logits = routes.view(0, logitBytes);
    MemorySegment chosen = routes.view(logitBytes, slotBytes);
    MemorySegment weights = routes.view(logitBytes + slotBytes, slotBytes);
    MemorySegment slotOf = routes.view(logitBytes + 2 * slotBytes, slotBytes);
    long tokenOfAt = logitBytes + 3 * slotBytes;
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
    if (routeParams == null || routeParams.tokens() != n || routeParams.routing() != routing) {
      routeParams = new RouteParams(n, routing, experts);
    }
    kernels.route(routeParams, logits, bias, 0, n, chosen, weights);
    assignSlots(experts, slots, topK, chosen, slotOf, routes.view(tokenOfAt, slotBytes));

    long shared = (long) slots * inner; // the shared expert's rows lie behind those of the others
    gates.floats(shared + (long) n * sharedInner);
    ups.floats(shared + (long) n * sharedInner);
    linear.begin();
    for (int e = 0, slot = 0; e < experts; slot += counts[e], e++) {
      if (counts[e] > 0) {
        MemorySegment tokens = routes.view(tokenOfAt + 4L * slot, 4L * counts[e]);
        addInner(x, tokens, counts[e], w.experts().get(e), (long) slot * inner, compute);
      }
    }
    if (w.shared() != null) {
      addInner(x, MemorySegment.NULL, n, w.shared(), shared, compute);
    }
    linear.runGroups();
    activate.run(0, slots, inner);
    if (w.shared() != null) {
      activate.run(shared, n, sharedInner);
    }

    outs.floats((long) slots * width);
    MemorySegment sharedOut =
        w.shared() == null ? MemorySegment.NULL : sharedOuts.floats((long) n * width);
    linear.begin();
    for (int e = 0, slot = 0; e < experts; slot += counts[e], e++) {
      if (counts[e] > 0) {
        Weight down = w.experts().get(e).down();
        MemorySegment y = outs.floatView((long) slot * width, (long) counts[e] * width);
        addDown((long) slot * inner, counts[e], down, y, width, compute);
      }
    }
    if (w.shared() != null) {
      addDown(shared, n, w.shared().down(), sharedOut, width, compute);
    }
    linear.runGroups();
    combine.run(n, topK, slotOf, weights, sharedOut, out);
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

  /** {@code at}: the number of {@link #gates} and {@link #ups} where the results begin. */
  private void addInner(
      Tensor x, MemorySegment indices, int rows, FeedForward w, long at, ComputeType compute) {
    int inner = w.gate().out();
    MemorySegment none = MemorySegment.NULL;
    MemorySegment gate = gates.floatView(at, (long) rows * inner);
    MemorySegment up = ups.floatView(at, (long) rows * inner);
    linear.add(x.segment(), x.stride(0), indices, rows, w.gate(), none, gate, inner, compute);
    linear.add(x.segment(), x.stride(0), indices, rows, w.up(), none, up, inner, compute);
  }

  /** {@code at}: the number of {@link #gates} where the activations begin. */
  private void addDown(
      long at, int rows, Weight down, MemorySegment out, long stride, ComputeType compute) {
    MemorySegment none = MemorySegment.NULL;
    MemorySegment x = gates.floatView(at, (long) rows * down.in());
    linear.add(x, down.in(), none, rows, down, none, out, stride, compute);
  }

  /** gate = silu(gate) * up, for rows of {@code inner} numbers from number {@code at} on. */
  private final class Activate implements Workers.Task {
    private static final int TILE_ELEMENTS = 1 << 14;

    private long at;
    private int rows;
    private int inner;
    private int tileRows;

    void run(long at, int rows, int inner) {
      this.at = at;
      this.rows = rows;
      this.inner = inner;
      tileRows = Math.max(1, TILE_ELEMENTS / inner);
      workers.run((rows + tileRows - 1) / tileRows, this);
    }

    @Override
    public void run(int tile, int worker) {
      int begin = tile * tileRows;
      int count = Math.min(rows - begin, tileRows);
      long from = at + (long) begin * inner;
      MemorySegment gate = gates.floatView(from, (long) count * inner);
      MemorySegment up = ups.floatView(from, (long) count * inner);
      kernels.swiglu(gate, inner, up, inner, count, inner, gate, inner);
    }
  }

  /** The weighted sum of the experts' results, and the shared one's. */
  private final class Combine implements Workers.Task {
    private static final int TILE_ELEMENTS = 1 << 15;

    private int n;
    private int topK;
    private MemorySegment slotOf;
    private MemorySegment weights;
    private MemorySegment shared;
    private Tensor out;
    private int tileRows;

    void run(
        int n,
        int topK,
        MemorySegment slotOf,
        MemorySegment weights,
        MemorySegment shared,
        Tensor out) {
      this.n = n;
      this.topK = topK;
      this.slotOf = slotOf;
      this.weights = weights;
      this.shared = shared;
      this.out = out;
      tileRows = (int) Math.max(1, TILE_ELEMENTS / (out.dim(1) * (topK + 1)));
      workers.run((n + tileRows - 1) / tileRows, this);
    }

    @Override
    public void run(int tile, int worker) {
      int begin = tile * tileRows;
      int width = (int) out.dim(1);
      kernels.combine(
          outs.floatView(0, (long) n * topK * width),
          width,
          n * topK,
          behind(slotOf, 4L * begin * topK),
          behind(weights, 4L * begin * topK),
          shared.byteSize() == 0 ? shared : behind(shared, 4L * begin * width),
          width,
          Math.min(n - begin, tileRows),
          topK,
          width,
          out.segmentFrom(begin),
          out.stride(0));
    }

    private static MemorySegment behind(MemorySegment segment, long offset) {
      return offset == 0 ? segment : segment.asSlice(offset);
    }
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

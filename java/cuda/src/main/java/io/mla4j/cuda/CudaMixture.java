package io.mla4j.cuda;

import io.mla4j.ComputeType;
import io.mla4j.InvalidArgumentException;
import io.mla4j.ops.Ops.FeedForward;
import io.mla4j.ops.Ops.Mixture;
import io.mla4j.ops.Routing;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
import io.mla4j.spi.LinearParams;
import io.mla4j.spi.RouteParams;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.function.Function;

/**
 * SwiGLU networks, alone and as a mixture of experts. The host never learns which experts were
 * chosen. Used in turn.
 */
final class CudaMixture implements AutoCloseable {
  private static final MemorySegment NULL = MemorySegment.NULL;
  private static final int INT = Integer.BYTES;

  private final CudaDevice device;
  private final CudaKernels kernels;
  private final CudaBuffer gates;
  private final CudaBuffer ups;
  private final CudaBuffer outs;
  private final CudaBuffer sharedOuts;
  private final CudaBuffer logits;
  private final CudaBuffer slots;
  private final CudaBuffer groups;

  CudaMixture(CudaDevice device) {
    this.device = device;
    this.kernels = device.kernels();
    gates = new CudaBuffer(device);
    ups = new CudaBuffer(device);
    outs = new CudaBuffer(device);
    sharedOuts = new CudaBuffer(device);
    logits = new CudaBuffer(device);
    slots = new CudaBuffer(device);
    groups = new CudaBuffer(device);
  }

  /** Of a weight without scales. */
  static LinearParams params(
      ComputeType compute, Weight weight, int rows, long xStride, long yStride) {
    Tensor w = weight.tensor();
    return new LinearParams(
        compute, w.format(), rows, weight.in(), weight.out(), 0, 0, xStride, w.stride(0), yStride);
  }

  void feedForward(
      Tensor x, FeedForward w, ComputeType compute, MemorySegment out, long outStride) {
    int n = (int) x.dim(0);
    MemorySegment from = device.resolve("x", x.segment());
    network(n, from, x.stride(0), w, compute, out, outStride);
  }

  /** y = down(silu(gate x) * up x). */
  private void network(
      int n,
      MemorySegment x,
      long xStride,
      FeedForward w,
      ComputeType compute,
      MemorySegment y,
      long yStride) {
    int inner = w.gate().out();
    MemorySegment gate = gates.floats((long) n * inner);
    MemorySegment up = ups.floats((long) n * inner);
    linear(n, x, xStride, w.gate(), compute, gate, inner);
    linear(n, x, xStride, w.up(), compute, up, inner);
    kernels.swiglu(device.stream(), gate, inner, up, inner, n, inner, gate, inner);
    linear(n, gate, inner, w.down(), compute, y, yStride);
  }

  private void linear(
      int n,
      MemorySegment x,
      long xStride,
      Weight weight,
      ComputeType compute,
      MemorySegment y,
      long yStride) {
    LinearParams params = params(compute, weight, n, xStride, yStride);
    kernels.linear(
        device.stream(), params, x, device.resolve("weight", weight.tensor().segment()), NULL, y);
  }

  void mixture(Tensor x, Mixture w, ComputeType compute, MemorySegment out, long outStride) {
    Routing routing = w.routing();
    int n = (int) x.dim(0);
    int experts = routing.experts();
    int topK = routing.topK();
    int width = w.experts().getFirst().down().out();
    int inner = w.experts().getFirst().gate().out();
    int count = Math.multiplyExact(n, topK);
    Stack gate = stack("gate", w.experts(), FeedForward::gate);
    Stack up = stack("up", w.experts(), FeedForward::up);
    Stack down = stack("down", w.experts(), FeedForward::down);
    MemorySegment from = device.resolve("x", x.segment());

    MemorySegment scores = logits.floats((long) n * experts);
    // Routing is float32 whatever the compute type: a flipped expert is no rounding error.
    linear(n, from, x.stride(0), w.router(), ComputeType.F32, scores, experts);
    MemorySegment lists = slots.bytes(4L * INT * count);
    MemorySegment chosen = lists.asSlice(0, (long) INT * count);
    MemorySegment weights = lists.asSlice((long) INT * count, (long) INT * count);
    MemorySegment tokenOf = lists.asSlice(2L * INT * count, (long) INT * count);
    MemorySegment slotOf = lists.asSlice(3L * INT * count, (long) INT * count);
    MemorySegment bias =
        w.bias() == null ? NULL : device.resolve("weights.bias", w.bias().segment());
    kernels.route(
        device.stream(), new RouteParams(n, routing, experts), scores, bias, chosen, weights);

    MemorySegment gated = gates.floats((long) count * inner);
    MemorySegment upped = ups.floats((long) count * inner);
    MemorySegment results = outs.floats((long) count * width);
    // Gates and ups are read in the same groups; downs may be of another type, which is grouped
    // otherwise.
    LinearParams params = params(compute, gate.first, count, x.stride(0), inner);
    MemorySegment grouped = group(chosen, n, topK, experts, params, tokenOf, slotOf);
    groupedLinear(params, gate, experts, from, tokenOf, grouped, gated);
    params = params(compute, up.first, count, x.stride(0), inner);
    if (up.first.tensor().format() != gate.first.tensor().format()) {
      grouped = group(chosen, n, topK, experts, params, tokenOf, slotOf);
    }
    groupedLinear(params, up, experts, from, tokenOf, grouped, upped);
    kernels.swiglu(device.stream(), gated, inner, upped, inner, count, inner, gated, inner);
    params = params(compute, down.first, count, inner, width);
    if (down.first.tensor().format() != up.first.tensor().format()) {
      grouped = group(chosen, n, topK, experts, params, tokenOf, slotOf);
    }
    groupedLinear(params, down, experts, gated, NULL, grouped, results);

    MemorySegment shared = NULL;
    if (w.shared() != null) {
      shared = sharedOuts.floats((long) n * width);
      network(n, from, x.stride(0), w.shared(), compute, shared, width);
    }
    kernels.combine(
        device.stream(),
        results,
        width,
        count,
        slotOf,
        weights,
        shared,
        width,
        n,
        topK,
        width,
        out,
        outStride);
  }

  private MemorySegment group(
      MemorySegment chosen,
      int n,
      int topK,
      int experts,
      LinearParams params,
      MemorySegment tokenOf,
      MemorySegment slotOf) {
    MemorySegment made = groups.bytes(kernels.groupBytes(n * topK, experts, params));
    kernels.group(device.stream(), chosen, n, topK, experts, params, tokenOf, slotOf, made);
    return made;
  }

  private void groupedLinear(
      LinearParams params,
      Stack stack,
      int experts,
      MemorySegment x,
      MemorySegment indices,
      MemorySegment grouped,
      MemorySegment y) {
    kernels.groupedLinear(
        device.stream(), params, experts, stack.stride, x, indices, grouped, stack.memory, y);
  }

  /**
   * The same weight of all experts, equally spaced.
   *
   * @param stride elements between two of them
   */
  private record Stack(Weight first, MemorySegment memory, long stride) {}

  private Stack stack(String name, List<FeedForward> experts, Function<FeedForward, Weight> part) {
    Weight first = part.apply(experts.getFirst());
    MemorySegment segment = first.tensor().segment();
    int size = first.tensor().format().blockBytes();
    long spacing =
        experts.size() == 1
            ? segment.byteSize()
            : part.apply(experts.get(1)).tensor().segment().address() - segment.address();
    for (int e = 1; e < experts.size(); e++) {
      Tensor tensor = part.apply(experts.get(e)).tensor();
      if (tensor.segment().address() - segment.address() != e * spacing
          || spacing <= 0
          || spacing % size != 0
          || tensor.format() != first.tensor().format()
          || tensor.dim(0) > 1 && tensor.stride(0) != first.tensor().stride(0)) {
        throw new InvalidArgumentException(
            "weights.experts["
                + e
                + "]."
                + name
                + " is not equally spaced behind the first: place the experts together");
      }
    }
    return new Stack(first, device.resolve("weights.experts[0]." + name, segment), spacing / size);
  }

  @Override
  public void close() {
    for (CudaBuffer buffer : List.of(gates, ups, outs, sharedOuts, logits, slots, groups)) {
      buffer.close();
    }
  }
}

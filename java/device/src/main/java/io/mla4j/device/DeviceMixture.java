package io.mla4j.device;

import io.mla4j.BackendException;
import io.mla4j.ComputeType;
import io.mla4j.InvalidArgumentException;
import io.mla4j.device.KernelOperation.Group;
import io.mla4j.device.KernelOperation.GroupedMatMul;
import io.mla4j.device.KernelOperation.Groups;
import io.mla4j.device.KernelOperation.MatMul;
import io.mla4j.ops.Combine;
import io.mla4j.ops.FeedForward;
import io.mla4j.ops.Mixture;
import io.mla4j.ops.Operation;
import io.mla4j.ops.Route;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.SwiGlu;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/** A mixture of experts as launches. The host never learns which experts were chosen. */
final class DeviceMixture {
  private final Accelerator device;
  private final Network network;
  private final KeptMemory.Buffer logits;
  private final KeptMemory.Buffer chosen;
  private final KeptMemory.Buffer weights;
  private final KeptMemory.Buffer tokenOf;
  private final KeptMemory.Buffer rowOf;
  private final KeptMemory.Buffer tiles;
  private final KeptMemory.Buffer gates;
  private final KeptMemory.Buffer ups;
  private final KeptMemory.Buffer results;
  private final KeptMemory.Buffer sharedResults;

  /** The launches of a network that every token passes. */
  @FunctionalInterface
  interface Network {
    List<Operation> parts(Tensor x, FeedForward.Weights weights, ComputeType compute, Tensor out);
  }

  DeviceMixture(Accelerator device, Network network) {
    this.device = device;
    this.network = network;
    KeptMemory kept = device.kept();
    logits = kept.buffer();
    chosen = kept.buffer();
    weights = kept.buffer();
    tokenOf = kept.buffer();
    rowOf = kept.buffer();
    tiles = kept.buffer();
    gates = kept.buffer();
    ups = kept.buffer();
    results = kept.buffer();
    sharedResults = kept.buffer();
  }

  List<Operation> parts(Mixture o) {
    Mixture.Weights w = o.weights();
    if (w.identities() > 0) {
      throw new BackendException(
          "backend " + device.backend() + " has no mixture with experts that have no weights");
    }
    Tensor x = o.x();
    long n = x.dim(0);
    long topK = w.routing().topK();
    long rows = n * topK;
    long width = o.out().dim(1);
    Tensor gate = stack("gate", w.experts(), FeedForward.Weights::gate);
    Tensor up = stack("up", w.experts(), FeedForward.Weights::up);
    Tensor down = stack("down", w.experts(), FeedForward.Weights::down);
    Tensor scores = logits.tensor(StorageFormat.F32, n, w.routing().experts());
    Tensor choice = chosen.tensor(StorageFormat.I32, n, topK);
    Tensor shares = weights.tensor(StorageFormat.F32, n, topK);
    Tensor gated = gates.tensor(StorageFormat.F32, rows, gate.dim(1));
    Tensor upped = ups.tensor(StorageFormat.F32, rows, gate.dim(1));
    Tensor expertOut = results.tensor(StorageFormat.F32, rows, width);

    List<Operation> parts = new ArrayList<>();
    // Routing is float32 whatever the compute type: a flipped expert is no rounding error.
    parts.add(
        new MatMul(
            x, PlainWeights.tensor("weights.router", w.router()), null, ComputeType.F32, scores));
    parts.add(new Route(w.routing(), scores, w.bias(), choice, shares));
    Groups groups = group(parts, null, choice, gate, o.compute());
    parts.add(new GroupedMatMul(x, groups.tokenOf(), gate, groups, gated));
    groups = group(parts, groups, choice, up, o.compute());
    parts.add(new GroupedMatMul(x, groups.tokenOf(), up, groups, upped));
    parts.add(new SwiGlu(gated, upped, w.experts().getFirst().limit(), gated));
    groups = group(parts, groups, choice, down, o.compute());
    parts.add(new GroupedMatMul(gated, null, down, groups, expertOut));
    Tensor shared = null;
    if (w.shared() != null) {
      shared = sharedResults.tensor(StorageFormat.F32, n, width);
      parts.addAll(network.parts(x, w.shared(), o.compute(), shared));
    }
    parts.add(new Combine(expertOut, groups.rowOf(), shares, shared, o.out()));
    return parts;
  }

  /** Those of the product before; weights of another type are grouped otherwise. */
  private Groups group(
      List<Operation> parts, Groups before, Tensor choice, Tensor weight, ComputeType compute) {
    if (before != null && before.weightFormat() == weight.format()) {
      return before;
    }
    int rows = (int) (choice.dim(0) * choice.dim(1));
    int experts = (int) weight.dim(0);
    Groups groups =
        new Groups(
            experts,
            weight.format(),
            compute,
            tokenOf.tensor(StorageFormat.I32, rows),
            rowOf.tensor(StorageFormat.I32, choice.dim(0), choice.dim(1)),
            tiles.bytes(device.kernels().groupBytes(rows, experts, weight.format(), compute)));
    parts.add(new Group(choice, groups));
    return groups;
  }

  /** The same weight of all experts, equally spaced: (experts, out, in). */
  private static Tensor stack(
      String name, List<FeedForward.Weights> experts, Function<FeedForward.Weights, Weight> part) {
    Tensor first = PlainWeights.tensor(name, part.apply(experts.getFirst()));
    long begin = first.segment().address();
    int size = first.format().blockBytes();
    long spacing =
        experts.size() == 1
            ? first.segment().byteSize() / size * size
            : PlainWeights.tensor(name, part.apply(experts.get(1))).segment().address() - begin;
    for (int e = 1; e < experts.size(); e++) {
      Tensor tensor = PlainWeights.tensor(name, part.apply(experts.get(e)));
      if (tensor.segment().address() - begin != e * spacing
          || spacing <= 0
          || spacing % size != 0
          || tensor.format() != first.format()
          || tensor.dim(0) > 1 && tensor.stride(0) != first.stride(0)) {
        throw new InvalidArgumentException(
            "weights.experts["
                + e
                + "]."
                + name
                + " is not equally spaced behind the first: place the experts together");
      }
    }
    return Tensor.strided(
        DeviceMemory.at(begin, (experts.size() - 1) * spacing + first.segment().byteSize()),
        first.format(),
        new long[] {experts.size(), first.dim(0), first.dim(1)},
        new long[] {spacing / size, first.stride(0), 1});
  }
}

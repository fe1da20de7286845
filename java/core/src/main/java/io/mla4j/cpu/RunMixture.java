package io.mla4j.cpu;

import io.mla4j.ComputeType;
import io.mla4j.ops.Combine;
import io.mla4j.ops.FeedForward;
import io.mla4j.ops.Floats;
import io.mla4j.ops.Mixture;
import io.mla4j.ops.Route;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.SwiGlu;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
import io.mla4j.spi.PagedView;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * A mixture of experts. The tokens of all chosen experts, and the shared expert, go through the
 * same phases: gate and up, activation, down, weighted sum. Experts that return what they are given
 * have the last slots, into which their tokens are copied.
 */
final class RunMixture extends CpuOperation {
  private final Mixture operation;
  private final ComputeType compute;
  private final FeedForward.@Nullable Weights shared;
  private final int n;
  private final int topK;

  /** Experts that have weights: the first ones. */
  private final int networks;

  private final int slots;
  private final int inner;
  private final int sharedInner;
  private final int width;
  private final Products router;
  private final int[] counts;
  private final int[] nextSlot;

  /** Null where the experts lie in no mapped file. */
  private final Readahead.@Nullable Experts pages;

  private RowTiles route;
  private RowTiles activate;
  private @Nullable RowTiles activateShared;
  private RowTiles combine;
  private MemorySegment chosen;
  private MemorySegment slotOf;
  private MemorySegment tokenOf;

  /** Where in the device's memory what begins, in bytes. */
  private long tokenOfAt;

  private long gatesAt;
  private long upsAt;
  private long outsAt;
  private long sharedOutAt;

  RunMixture(Cpu cpu, Mixture operation) {
    super(cpu);
    this.operation = operation;
    Mixture.Weights w = operation.weights();
    compute = operation.compute();
    shared = w.shared();
    n = (int) operation.x().dim(0);
    topK = w.routing().topK();
    networks = w.experts().size();
    slots = n * topK;
    inner = w.experts().getFirst().requiredGate().out();
    sharedInner = shared == null ? 0 : shared.requiredGate().out();
    width = (int) operation.out().dim(1);
    router = new Products(cpu);
    counts = new int[w.routing().experts()];
    nextSlot = new int[counts.length];
    pages = cpu.readahead.of(w.experts()).orElse(null);
  }

  @Override
  void place() {
    Mixture.Weights w = operation.weights();
    Tensor x = operation.x();
    long chosenAt = floats((long) n * counts.length);
    long weightsAt = chosenAt + floats(slots);
    long slotOfAt = weightsAt + floats(slots);
    tokenOfAt = slotOfAt + floats(slots);
    gatesAt = tokenOfAt + floats(slots);
    // The shared expert's rows lie after those of the others.
    upsAt = gatesAt + floats(sharedNumber() + (long) n * sharedInner);
    outsAt = upsAt + floats(sharedNumber() + (long) n * sharedInner);
    sharedOutAt = outsAt + floats((long) slots * width);
    cpu.memory.reserve(sharedOutAt + floats(shared == null ? 0 : (long) n * width));

    Tensor logits = tensor(0, StorageFormat.F32, n, counts.length);
    Tensor experts = tensor(chosenAt, StorageFormat.I32, n, topK);
    Tensor weights = tensor(weightsAt, StorageFormat.F32, n, topK);
    Tensor slotTensor = tensor(slotOfAt, StorageFormat.I32, n, topK);
    chosen = experts.segment();
    slotOf = slotTensor.segment();
    tokenOf = cpu.memory.view(tokenOfAt, 4L * slots);
    router.begin();
    // Routing is float32 whatever the compute type: a flipped expert is no rounding error.
    router
        .add()
        .with(ComputeType.F32, w.router(), MemorySegment.NULL)
        .from(x.segment(), x.stride(0), MemorySegment.NULL, n)
        .to(logits.segment(), counts.length);
    router.prepare();
    route = new RowTiles(cpu, new Route(w.routing(), logits, w.bias(), experts, weights));
    activate = activation(0, slots, w.experts().getFirst());
    activateShared = shared == null ? null : activation(sharedNumber(), n, shared);
    Tensor outs = tensor(outsAt, StorageFormat.F32, slots, width);
    Tensor sharedOut = shared == null ? null : tensor(sharedOutAt, StorageFormat.F32, n, width);
    combine = new RowTiles(cpu, new Combine(outs, slotTensor, weights, sharedOut, operation.out()));
  }

  private static long floats(long count) {
    return Buffer.roundUp(count * Float.BYTES);
  }

  private Tensor tensor(long at, StorageFormat format, long rows, long columns) {
    return Tensor.of(cpu.memory.view(at, 4 * rows * columns), format, rows, columns);
  }

  /** The element of gates and ups where the shared expert's begin. */
  private long sharedNumber() {
    return (long) slots * inner;
  }

  /** gate = silu(gate) * up, for rows of a network's inner width from element {@code at} on. */
  private RowTiles activation(long at, int rows, FeedForward.Weights network) {
    int inner = network.requiredGate().out();
    Tensor gate = tensor(gatesAt + at * Float.BYTES, StorageFormat.F32, rows, inner);
    Tensor up = tensor(upsAt + at * Float.BYTES, StorageFormat.F32, rows, inner);
    return new RowTiles(cpu, new SwiGlu(gate, up, network.limit(), gate));
  }

  @Override
  void execute(@Nullable PagedView plan) {
    if (n == 0) {
      return;
    }
    router.run();
    route.run();
    assignSlots();
    if (pages != null) {
      cpu.readahead.soon(pages, counts);
    }
    Products products = cpu.products;
    products.begin();
    // The shared expert first: meanwhile the disk may read the others.
    if (shared != null) {
      addInner(shared.requiredGate(), MemorySegment.NULL, n, gatesAt, sharedNumber());
      addInner(shared.up(), MemorySegment.NULL, n, upsAt, sharedNumber());
    }
    for (int e = 0, slot = 0; e < networks; slot += counts[e], e++) {
      if (counts[e] > 0) {
        FeedForward.Weights w = operation.weights().experts().get(e);
        MemorySegment tokens = cpu.memory.view(tokenOfAt + 4L * slot, 4L * counts[e]);
        addInner(w.requiredGate(), tokens, counts[e], gatesAt, (long) slot * inner);
        addInner(w.up(), tokens, counts[e], upsAt, (long) slot * inner);
      }
    }
    products.prepare();
    products.run();
    activate.run();
    if (activateShared != null) {
      activateShared.run();
    }
    products.begin();
    if (shared != null) {
      addDown(shared.down(), sharedNumber(), n, sharedOutAt, 0);
    }
    for (int e = 0, slot = 0; e < networks; slot += counts[e], e++) {
      if (counts[e] > 0) {
        Weight down = operation.weights().experts().get(e).down();
        addDown(down, (long) slot * inner, counts[e], outsAt, (long) slot * width);
      }
    }
    products.prepare();
    products.run();
    copyIdentities();
    combine.run();
  }

  private void copyIdentities() {
    int slot = slots;
    for (int e = networks; e < counts.length; e++) {
      slot -= counts[e];
    }
    Tensor x = operation.x();
    long bytes = 4L * width;
    MemorySegment outs = cpu.memory.view(outsAt, slots * bytes);
    for (; slot < slots; slot++) {
      long from = 4L * Floats.getInt(tokenOf, slot) * x.stride(0);
      MemorySegment.copy(x.segment(), from, outs, slot * bytes, bytes);
    }
  }

  /** Slots in the order of the experts, and within one in the order of the tokens. */
  private void assignSlots() {
    Arrays.fill(counts, 0);
    for (int i = 0; i < slots; i++) {
      counts[Floats.getInt(chosen, i)]++;
    }
    for (int e = 0, slot = 0; e < counts.length; slot += counts[e], e++) {
      nextSlot[e] = slot;
    }
    for (int i = 0; i < slots; i++) {
      int slot = nextSlot[Floats.getInt(chosen, i)]++;
      Floats.setInt(slotOf, i, slot);
      Floats.setInt(tokenOf, slot, i / topK);
    }
  }

  /** Rows of x by their numbers into element {@code element} of what begins at {@code at}. */
  private void addInner(Weight weight, MemorySegment tokens, int rows, long at, long element) {
    Tensor x = operation.x();
    long bytes = (long) rows * weight.out() * Float.BYTES;
    cpu.products
        .add()
        .with(compute, weight, MemorySegment.NULL)
        .from(x.segment(), x.stride(0), tokens, rows)
        .to(cpu.memory.view(at + element * Float.BYTES, bytes), weight.out());
  }

  /** Rows of gates from element {@code from} on into element {@code element} of {@code at}. */
  private void addDown(Weight weight, long from, int rows, long at, long element) {
    long bytes = (long) rows * weight.in() * Float.BYTES;
    long outBytes = (long) rows * weight.out() * Float.BYTES;
    cpu.products
        .add()
        .with(compute, weight, MemorySegment.NULL)
        .from(
            cpu.memory.view(gatesAt + from * Float.BYTES, bytes),
            weight.in(),
            MemorySegment.NULL,
            rows)
        .to(cpu.memory.view(at + element * Float.BYTES, outBytes), weight.out());
  }
}

package io.mla4j.cpu;

import io.mla4j.DecodePlan;
import io.mla4j.MlaShape;
import io.mla4j.ops.Absorb;
import io.mla4j.ops.Attend;
import io.mla4j.ops.Expand;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.spi.PagedView;

/** Every sequence in the form of the plan: absorbed ones first, then decompressed ones. */
final class RunAttend extends CpuOperation {
  private final Attend operation;
  private final AbsorbedAttention absorbed;
  private final RebuiltAttention rebuilt;
  private HeadTiles absorb;
  private HeadTiles expand;

  /** Bytes of lse, and of the queries and results of the absorbed form after it. */
  private final long lseBytes;

  private final long queryBytes;
  private final long latentBytes;

  RunAttend(Cpu cpu, Attend o) {
    super(cpu);
    operation = o;
    MlaShape s = o.shape();
    absorbed = new AbsorbedAttention(cpu, o.layer(), s.heads(), s.latent(), o.score(), o.compute());
    rebuilt = new RebuiltAttention(cpu, o);
    long rows = o.q().dim(0) * s.heads();
    lseBytes = Buffer.roundUp(rows * Float.BYTES);
    queryBytes = Buffer.roundUp(rows * s.cached() * Float.BYTES);
    latentBytes = Buffer.roundUp(rows * s.latent() * Float.BYTES);
  }

  @Override
  PagedView check(DecodePlan plan) {
    return fitting(operation, plan);
  }

  @Override
  void place() {
    cpu.memory.reserve(lseBytes);
    rebuilt.place(lse());
    absorb = null;
  }

  private Tensor lse() {
    return rows(0, lseBytes, 1).reshape(operation.q().dim(0), operation.shape().heads());
  }

  private Tensor rows(long at, long bytes, int width) {
    return Tensor.of(
        cpu.memory.view(at, bytes),
        StorageFormat.F32,
        operation.q().dim(0),
        operation.shape().heads(),
        width);
  }

  /** What only the absorbed form needs; long prompts go without it. */
  private void placeAbsorbed() {
    MlaShape s = operation.shape();
    Tensor q = rows(lseBytes, queryBytes, s.cached());
    Tensor latents = rows(lseBytes + queryBytes, latentBytes, s.latent());
    absorb = new HeadTiles(cpu, new Absorb(operation.q(), operation.up(), operation.compute(), q));
    expand =
        new HeadTiles(
            cpu, new Expand(latents, operation.up(), operation.compute(), operation.out()));
    absorbed.place(q, latents, lse(), lseBytes + queryBytes + latentBytes);
  }

  @Override
  void execute(PagedView plan) {
    int from = -1;
    int to = 0;
    for (int i = 0; i < plan.sequences(); i++) {
      if (AbsorbedAttention.isAbsorbed(plan, i)) {
        from = from < 0 ? plan.firstToken(i) : from;
        to = plan.firstToken(i) + plan.queryTokens(i);
      }
    }
    if (from >= 0) {
      cpu.memory.reserve(lseBytes + queryBytes + latentBytes + absorbed.partialBytes(plan, true));
      placeWhereMoved();
      if (absorb == null) {
        placeAbsorbed();
      }
      // Tokens of decompressed sequences in between are absorbed in vain; the plan puts sequences
      // in the caller's order.
      absorb.runTokens(from, to);
      absorbed.run(plan, true);
      for (int i = 0; i < plan.sequences(); i++) {
        if (AbsorbedAttention.isAbsorbed(plan, i) && plan.queryTokens(i) > 0) {
          int first = plan.firstToken(i);
          expand.runTokens(first, first + plan.queryTokens(i));
        }
      }
    }
    rebuilt.run(plan);
  }
}

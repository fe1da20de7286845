package io.mla4j.cpu;

import io.mla4j.MlaShape;
import io.mla4j.ops.Absorb;
import io.mla4j.ops.Attend;
import io.mla4j.ops.AttendChosen;
import io.mla4j.ops.Expand;
import io.mla4j.ops.StepOperation;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.spi.PagedView;
import org.jspecify.annotations.Nullable;

/**
 * Every sequence in the form of the plan: absorbed ones first, then those whose tokens attend to
 * chosen ones, then decompressed ones.
 */
final class RunAttend extends CpuStepOperation {
  private final Attend operation;

  /** Null where every token attends to all that it sees. */
  private final @Nullable Tensor chosen;

  private final AbsorbedAttention.Takes<PagedView> takesAbsorbed = this::isAbsorbed;
  private final AbsorbedAttention.Takes<PagedView> takesRebuilt = this::isRebuilt;
  private final AbsorbedAttention absorbed;
  private final RebuiltAttention rebuilt;
  private Tensor lse;

  /** Null until a sequence is attended in the absorbed form. */
  private @Nullable Placed placed;

  /** What only the absorbed form needs; rows of chosen tokens where there are such. */
  private record Placed(HeadTiles absorb, HeadTiles expand, @Nullable ChosenRows chosen) {}

  /** Bytes of lse, and of the queries and results of the absorbed form after it. */
  private final long lseBytes;

  private final long queryBytes;
  private final long latentBytes;
  private final long tableBytes;

  RunAttend(Cpu cpu, Attend o) {
    this(cpu, o, o, null);
  }

  RunAttend(Cpu cpu, AttendChosen o) {
    this(cpu, o, o.attend(), o.chosen());
  }

  private RunAttend(Cpu cpu, StepOperation asked, Attend o, @Nullable Tensor chosen) {
    super(cpu, asked);
    operation = o;
    this.chosen = chosen;
    MlaShape s = o.shape();
    absorbed = new AbsorbedAttention(cpu, o.layer(), s.heads(), s.latent(), o.score(), o.compute());
    rebuilt = new RebuiltAttention(cpu, o);
    long rows = o.q().dim(0) * s.heads();
    lseBytes = Buffer.roundUp(rows * Float.BYTES);
    queryBytes = Buffer.roundUp(rows * s.cached() * Float.BYTES);
    latentBytes = Buffer.roundUp(rows * s.latent() * Float.BYTES);
    tableBytes = chosen == null ? 0 : ChosenRows.tableBytes(chosen);
  }

  @Override
  void place() {
    cpu.memory.reserve(lseBytes);
    lse = rows(0, lseBytes, 1).reshape(operation.q().dim(0), operation.shape().heads());
    placed = null;
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
  private Placed placeAbsorbed() {
    MlaShape s = operation.shape();
    Tensor q = rows(lseBytes, queryBytes, s.cached());
    Tensor latents = rows(lseBytes + queryBytes, latentBytes, s.latent());
    long tablesAt = lseBytes + queryBytes + latentBytes;
    absorbed.place(q, latents, lse, tablesAt + tableBytes);
    return new Placed(
        new HeadTiles(cpu, new Absorb(operation.q(), operation.up(), operation.compute(), q)),
        new HeadTiles(
            cpu, new Expand(latents, operation.up(), operation.compute(), operation.out())),
        chosen == null ? null : new ChosenRows(cpu, chosen, tablesAt));
  }

  /** Whether sequence i has tokens that attend to less than all they see. */
  private boolean isSparse(PagedView plan, int i) {
    return chosen != null && plan.kvTokens(i) > chosen.dim(1);
  }

  private boolean isAbsorbed(PagedView plan, int i) {
    return AbsorbedAttention.isAbsorbed(plan, i) && !isSparse(plan, i);
  }

  private boolean isRebuilt(PagedView plan, int i) {
    return !AbsorbedAttention.isAbsorbed(plan, i) && !isSparse(plan, i);
  }

  /** Makes room for what only the absorbed form needs, before any of it is used. */
  private Placed reserve(long partialBytes) {
    cpu.memory.reserve(lseBytes + queryBytes + latentBytes + tableBytes + partialBytes);
    placeWhereMoved();
    Placed now = placed;
    if (now == null) {
      now = placeAbsorbed();
      placed = now;
    }
    return now;
  }

  private long chosenPartialBytes(PagedView plan) {
    long bytes = 0;
    for (int i = 0; chosen != null && i < plan.sequences(); i++) {
      if (isSparse(plan, i)) {
        int parts = ChosenRows.maxParts(plan, i, (int) chosen.dim(1));
        bytes = Math.max(bytes, ChosenRows.MAX_TOKENS * parts * absorbed.partBytes(1));
      }
    }
    return bytes;
  }

  private void attendChosen(PagedView plan, int i, ChosenRows chosenRows) {
    int n = plan.queryTokens(i);
    for (int from = 0; from < n; from += ChosenRows.MAX_TOKENS) {
      chosenRows.of(plan, i, from, Math.min(n, from + ChosenRows.MAX_TOKENS));
      absorbed.run(chosenRows, AbsorbedAttention.Takes.ALL);
    }
  }

  @Override
  void executeStep(PagedView plan) {
    int from = -1;
    int to = 0;
    for (int i = 0; i < plan.sequences(); i++) {
      if (!isRebuilt(plan, i)) {
        from = from < 0 ? plan.firstToken(i) : from;
        to = plan.firstToken(i) + plan.queryTokens(i);
      }
    }
    if (from >= 0) {
      Placed placed =
          reserve(Math.max(absorbed.partialBytes(plan, takesAbsorbed), chosenPartialBytes(plan)));
      // Tokens of decompressed sequences in between are absorbed in vain; the plan puts sequences
      // in the caller's order.
      placed.absorb.runTokens(from, to);
      absorbed.run(plan, takesAbsorbed);
      for (int i = 0; placed.chosen != null && i < plan.sequences(); i++) {
        if (isSparse(plan, i)) {
          attendChosen(plan, i, placed.chosen);
        }
      }
      expand(plan, placed.expand);
    }
    rebuilt.run(plan, takesRebuilt, lse);
  }

  /** From attended latents to results: neighbours read W_UV once. */
  private void expand(PagedView plan, HeadTiles expand) {
    int from = 0;
    int to = 0;
    for (int i = 0; i < plan.sequences(); i++) {
      if (isRebuilt(plan, i)) {
        expand.runTokens(from, to);
        from = plan.firstToken(i) + plan.queryTokens(i);
      }
      to = plan.firstToken(i) + plan.queryTokens(i);
    }
    expand.runTokens(from, to);
  }
}

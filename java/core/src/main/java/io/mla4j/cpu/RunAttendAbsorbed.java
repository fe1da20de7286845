package io.mla4j.cpu;

import io.mla4j.ops.AttendAbsorbed;
import io.mla4j.ops.AttendGrouped;
import io.mla4j.ops.StepOperation;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.spi.PagedView;
import org.jspecify.annotations.Nullable;

/** Attention with absorbed queries, or over keys and values of their own. */
final class RunAttendAbsorbed extends CpuStepOperation {
  private final Tensor q;
  private final Tensor out;

  /** Null where nobody wants it. */
  private final @Nullable Tensor lse;

  private final AbsorbedAttention attention;
  private final long lseBytes;

  RunAttendAbsorbed(Cpu cpu, AttendAbsorbed o) {
    this(
        cpu,
        o,
        new AbsorbedAttention(
            cpu, o.layer(), (int) o.q().dim(1), (int) o.out().dim(2), o.score(), o.compute()),
        o.q(),
        o.out(),
        o.lse());
  }

  RunAttendAbsorbed(Cpu cpu, AttendGrouped o) {
    this(cpu, o, new AbsorbedAttention(cpu, o), o.q(), o.out(), null);
  }

  private RunAttendAbsorbed(
      Cpu cpu,
      StepOperation operation,
      AbsorbedAttention attention,
      Tensor q,
      Tensor out,
      @Nullable Tensor lse) {
    super(cpu, operation);
    this.attention = attention;
    this.q = q;
    this.out = out;
    this.lse = lse;
    lseBytes = Buffer.roundUp(q.dim(0) * q.dim(1) * Float.BYTES);
  }

  @Override
  void place() {
    cpu.memory.reserve(lseBytes);
    Tensor unwanted =
        Tensor.of(cpu.memory.view(0, lseBytes), StorageFormat.F32, q.dim(0), q.dim(1));
    attention.place(q, out, lse == null ? unwanted : lse, lseBytes);
  }

  @Override
  void executeStep(PagedView plan) {
    cpu.memory.reserve(lseBytes + attention.partialBytes(plan, AbsorbedAttention.Takes.ALL));
    placeWhereMoved();
    attention.run(plan, AbsorbedAttention.Takes.ALL);
  }
}

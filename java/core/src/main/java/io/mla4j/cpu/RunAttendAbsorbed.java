package io.mla4j.cpu;

import io.mla4j.DecodePlan;
import io.mla4j.ops.AttendAbsorbed;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.spi.PagedView;

/** Attention with absorbed queries. */
final class RunAttendAbsorbed extends CpuOperation {
  private final AttendAbsorbed operation;
  private final AbsorbedAttention attention;
  private final long lseBytes;

  RunAttendAbsorbed(Cpu cpu, AttendAbsorbed o) {
    super(cpu);
    operation = o;
    int heads = (int) o.q().dim(1);
    int latent = (int) o.out().dim(2);
    attention = new AbsorbedAttention(cpu, o.layer(), heads, latent, o.score(), o.compute());
    lseBytes = Buffer.roundUp(o.q().dim(0) * heads * Float.BYTES);
  }

  @Override
  PagedView check(DecodePlan plan) {
    return fitting(operation, plan);
  }

  @Override
  void place() {
    cpu.memory.reserve(lseBytes);
    Tensor q = operation.q();
    Tensor lse = operation.lse();
    if (lse == null) {
      lse = Tensor.of(cpu.memory.view(0, lseBytes), StorageFormat.F32, q.dim(0), q.dim(1));
    }
    attention.place(q, operation.out(), lse, lseBytes);
  }

  @Override
  void execute(PagedView plan) {
    cpu.memory.reserve(lseBytes + attention.partialBytes(plan, AbsorbedAttention.Takes.ALL));
    placeWhereMoved();
    attention.run(plan, AbsorbedAttention.Takes.ALL);
  }
}

package io.mla4j.cpu;

import io.mla4j.DecodePlan;
import io.mla4j.ops.AppendLatent;
import io.mla4j.ops.AppendRows;
import io.mla4j.ops.Rotation;
import io.mla4j.ops.StepOperation;
import io.mla4j.spi.AppendTile;
import io.mla4j.spi.PagedView;
import io.mla4j.spi.TileKernel;
import java.util.ArrayList;
import java.util.List;

/** The new tokens of all sequences into a layer of the cache. */
final class RunAppend extends CpuOperation implements Workers.Task {
  private final StepOperation asked;
  private final int group;
  private final AppendLatent operation;
  private final List<AppendTile> sequences = new ArrayList<>();
  private final List<TileKernel> kernels = new ArrayList<>();
  private final int rows;
  private final int perTile;

  RunAppend(Cpu cpu, AppendLatent operation) {
    this(cpu, operation, 0, operation);
  }

  /** Rows of another group are latents that come without a norm and a key. */
  RunAppend(Cpu cpu, AppendRows o) {
    this(
        cpu,
        o,
        o.group(),
        new AppendLatent(o.layer(), o.rows(), null, 0, Rotation.none(o.rows().dim(0))));
  }

  private RunAppend(Cpu cpu, StepOperation asked, int group, AppendLatent operation) {
    super(cpu);
    this.asked = asked;
    this.group = group;
    this.operation = operation;
    rows = (int) operation.latentAndKey().dim(0);
    perTile = RowTiles.rowsPerTile(operation.latentAndKey().dim(1));
  }

  @Override
  PagedView check(DecodePlan plan) {
    return fitting(asked, plan);
  }

  @Override
  void execute(PagedView plan) {
    for (int i = 0; i < plan.sequences(); i++) {
      if (i == sequences.size()) {
        sequences.add(new AppendTile(operation));
        kernels.add(cpu.kernels.bind(sequences.get(i)));
      }
      AppendTile s = sequences.get(i);
      int tokens = plan.queryTokens(i);
      s.pages(plan.cacheParams(group), plan.layerBase(group, operation.layer()), plan.pageTable(i));
      s.tokens(plan.firstToken(i), tokens, plan.kvTokens(i) - tokens);
      if (tokens > 0) {
        kernels.get(i).prepare();
      }
    }
    cpu.workers.runInTurn(Math.ceilDiv(rows, perTile), Workers.MIN_SHARED_WORK, this);
  }

  @Override
  public void run(int tile, int worker) {
    int begin = tile * perTile;
    int end = (int) Math.min(rows, (long) begin + perTile);
    for (int i = 0; begin < end; i++) {
      AppendTile s = sequences.get(i);
      int to = Math.min(end, s.firstToken() + s.tokens());
      if (begin < to) {
        kernels.get(i).run(cpu.tile(worker).rows(begin - s.firstToken(), to - s.firstToken()));
        begin = to;
      }
    }
  }
}

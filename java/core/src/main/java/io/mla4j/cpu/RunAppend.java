package io.mla4j.cpu;

import io.mla4j.ops.AppendGrouped;
import io.mla4j.ops.AppendLatent;
import io.mla4j.ops.AppendRows;
import io.mla4j.ops.Rotation;
import io.mla4j.ops.StepOperation;
import io.mla4j.ops.Tensor;
import io.mla4j.spi.AppendTile;
import io.mla4j.spi.PagedView;
import io.mla4j.spi.TileKernel;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.IntStream;

/** The new tokens of all sequences into a layer of the cache, or into one for each of the heads. */
final class RunAppend extends CpuStepOperation implements Workers.Task {
  /** Rows that are no latents have a group of their own; latents lie where the plan says. */
  private final OptionalInt group;

  /** What goes into each layer; they have the same tokens and widths. */
  private final List<AppendLatent> operations;

  /** Of each sequence, one for each of the operations. */
  private final List<AppendTile> sequences = new ArrayList<>();

  private final List<TileKernel> kernels = new ArrayList<>();
  private final int rows;
  private final int perTile;

  RunAppend(Cpu cpu, AppendLatent operation) {
    this(cpu, operation, OptionalInt.empty(), List.of(operation));
  }

  /** A head of keys and values appends what a layer of latents does. */
  RunAppend(Cpu cpu, AppendGrouped o) {
    this(cpu, o, OptionalInt.empty(), IntStream.range(0, o.groups()).mapToObj(o::of).toList());
  }

  /** Rows of another group are latents that come without a norm and a key. */
  RunAppend(Cpu cpu, AppendRows o) {
    this(
        cpu,
        o,
        OptionalInt.of(o.group()),
        List.of(new AppendLatent(o.layer(), o.rows(), null, 0, Rotation.none(o.rows().dim(0)))));
  }

  private RunAppend(
      Cpu cpu, StepOperation asked, OptionalInt group, List<AppendLatent> operations) {
    super(cpu, asked);
    this.group = group;
    this.operations = operations;
    Tensor first = operations.getFirst().latentAndKey();
    rows = (int) first.dim(0);
    perTile = RowTiles.rowsPerTile(first.dim(1) * operations.size());
  }

  @Override
  void executeStep(PagedView plan) {
    int of = group.orElse(plan.rows());
    for (int i = 0; i < plan.sequences() * operations.size(); i++) {
      AppendLatent operation = operations.get(i % operations.size());
      if (i == sequences.size()) {
        sequences.add(new AppendTile(operation));
        kernels.add(cpu.kernels.bind(sequences.get(i)));
      }
      AppendTile s = sequences.get(i);
      int sequence = i / operations.size();
      int tokens = plan.queryTokens(sequence);
      s.pages(
          plan.cacheParams(of), plan.layerBase(of, operation.layer()), plan.pageTable(sequence));
      s.tokens(plan.firstToken(sequence), tokens, plan.kvTokens(sequence) - tokens);
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
    for (int i = 0; begin < end; i += operations.size()) {
      AppendTile s = sequences.get(i);
      int to = Math.min(end, s.firstToken() + s.tokens());
      if (begin < to) {
        for (int j = 0; j < operations.size(); j++) {
          kernels
              .get(i + j)
              .run(cpu.tile(worker).rows(begin - s.firstToken(), to - s.firstToken()));
        }
        begin = to;
      }
    }
  }
}

package io.mla4j.cpu;

import io.mla4j.ops.AttendDelta;
import io.mla4j.spi.DeltaTile;
import io.mla4j.spi.PagedView;
import io.mla4j.spi.TileKernel;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * The new tokens of all sequences through their states: heads are independent of each other, tokens
 * of a head are not.
 */
final class RunDelta extends CpuStepOperation implements Workers.Task {
  /** Multiplications of a tile at least, so that handing it out costs little. */
  private static final long TILE_WORK = 1 << 17;

  /** Multiplications with an element of a state for each token. */
  private static final int WORK_PER_ELEMENT = 4;

  private final AttendDelta operation;
  private final List<DeltaTile> sequences = new ArrayList<>();
  private final List<TileKernel> kernels = new ArrayList<>();
  private final int heads;
  private final long workOfHead;

  /** For each sequence the first tile behind its own. */
  private int[] tileEnds = new int[1];

  private int[] headsPerTile = new int[1];

  RunDelta(Cpu cpu, AttendDelta operation) {
    super(cpu, operation);
    this.operation = operation;
    heads = operation.state().heads();
    workOfHead = (long) operation.state().matrixElements() * WORK_PER_ELEMENT;
  }

  @Override
  void checkStep(PagedView plan) {
    for (int i = 0; i < plan.sequences(); i++) {
      if (plan.queryTokens(i) > 0) {
        plan.stateBefore(i, operation.layer());
      }
    }
  }

  @Override
  void executeStep(PagedView plan) {
    reserve(plan.sequences());
    int tiles = 0;
    for (int i = 0; i < plan.sequences(); i++) {
      int tokens = plan.queryTokens(i);
      if (tokens > 0) {
        prepare(i, plan);
        long perTile = Math.ceilDiv(TILE_WORK, workOfHead * tokens);
        headsPerTile[i] = (int) Math.min(perTile, heads);
        tiles += Math.ceilDiv(heads, headsPerTile[i]);
      }
      tileEnds[i] = tiles;
    }
    cpu.workers.runInTurn(tiles, workOfHead * heads * plan.tokens(), this);
    for (int i = 0; i < plan.sequences(); i++) {
      if (plan.queryTokens(i) > 0) {
        plan.stateWritten(i, operation.layer());
      }
    }
  }

  private void reserve(int count) {
    while (sequences.size() < count) {
      DeltaTile tile = new DeltaTile(operation);
      sequences.add(tile);
      kernels.add(cpu.kernels.bind(tile));
    }
    if (tileEnds.length < count) {
      tileEnds = new int[count];
      headsPerTile = new int[count];
    }
  }

  private void prepare(int i, PagedView plan) {
    DeltaTile sequence = sequences.get(i);
    int tokens = plan.queryTokens(i);
    MemorySegment before = plan.stateBefore(i, operation.layer());
    sequence.states(
        plan.kvTokens(i) == tokens ? MemorySegment.NULL : before,
        plan.stateAfter(i, operation.layer()));
    sequence.tokens(plan.firstToken(i), tokens);
    kernels.get(i).prepare();
  }

  @Override
  public void run(int tile, int worker) {
    int i = 0;
    while (tile >= tileEnds[i]) {
      i++;
    }
    int begin = (tile - (i == 0 ? 0 : tileEnds[i - 1])) * headsPerTile[i];
    int end = Math.min(heads, begin + headsPerTile[i]);
    kernels.get(i).run(cpu.tile(worker).heads(begin, end));
  }
}

package io.mla4j.cpu;

import io.mla4j.spi.AttentionTile;
import io.mla4j.spi.LatentView;
import io.mla4j.spi.Tile;
import io.mla4j.spi.TileKernel;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Supplier;

/** The sequences of one form of attention: tiles, one sequence after the other. */
abstract class AttentionTiles implements Workers.Task {
  final Cpu cpu;
  private final Supplier<AttentionTile> newSequence;
  private final List<AttentionTile> sequences = new ArrayList<>();
  private final List<TileKernel> kernels = new ArrayList<>();
  private int[] firstTile = new int[2];
  private int count;
  private long perWorker;
  private MemorySegment[] workspaces = new MemorySegment[0];
  private int generation;

  AttentionTiles(Cpu cpu, Supplier<AttentionTile> newSequence) {
    this.cpu = cpu;
    this.newSequence = newSequence;
  }

  /** Forgets the sequences. */
  final void begin() {
    count = 0;
    perWorker = 0;
    firstTile[0] = 0;
  }

  /** The next sequence of the plan, to be filled. */
  final AttentionTile next(LatentView plan, int i, int layer) {
    if (count == sequences.size()) {
      AttentionTile made = newSequence.get();
      sequences.add(made);
      kernels.add(cpu.kernels.bind(made));
      firstTile = Arrays.copyOf(firstTile, Math.max(firstTile.length, count + 2));
    }
    AttentionTile sequence = sequences.get(count);
    sequence.pages(plan.cacheParams(), plan.layerBase(layer), plan.pageTable(i));
    return sequence;
  }

  /** The sequence of {@link #next} is filled, and cut into so many tiles. */
  final void add(int tiles) {
    TileKernel kernel = kernels.get(count);
    kernel.prepare();
    perWorker = Math.max(perWorker, Buffer.roundUp(kernel.workspaceBytes()));
    firstTile[count + 1] = firstTile[count] + tiles;
    count++;
  }

  /** Computes all tiles of the sequences. */
  final void runTiles() {
    if (count == 0) {
      return;
    }
    cpu.workspace.reserve(perWorker * cpu.workers.threads());
    if (workspaces.length == 0
        || workspaces[0].byteSize() != perWorker
        || generation != cpu.workspace.generation()) {
      generation = cpu.workspace.generation();
      workspaces = new MemorySegment[cpu.workers.threads()];
      for (int i = 0; i < workspaces.length; i++) {
        workspaces[i] = cpu.workspace.view(i * perWorker, perWorker);
      }
    }
    cpu.workers.runInTurn(firstTile[count], Workers.MIN_SHARED_WORK, this);
  }

  @Override
  public final void run(int tile, int worker) {
    int i = 0;
    while (tile >= firstTile[i + 1]) {
      i++;
    }
    AttentionTile sequence = sequences.get(i);
    Tile t = cpu.tile(worker).workspace(workspaces[worker]);
    cut(i, sequence, tile - firstTile[i], t);
    kernels.get(i).run(t);
  }

  /** The ranges of tile {@code index} of the i-th sequence that was added. */
  abstract void cut(int i, AttentionTile sequence, int index, Tile tile);
}

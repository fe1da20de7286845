package io.mla4j.cpu;

import io.mla4j.ops.RowOperation;
import io.mla4j.spi.TileKernel;

/** An operation on rows, cut into tiles of rows. */
final class RowTiles implements Workers.Task {
  /** Elements of a tile: enough that handing it out costs little. */
  private static final int TILE_ELEMENTS = 1 << 15;

  private final Cpu cpu;
  private final TileKernel kernel;
  private final int rows;
  private final int perTile;
  private final int tiles;

  RowTiles(Cpu cpu, RowOperation operation) {
    this.cpu = cpu;
    kernel = cpu.kernels.bind(operation);
    rows = operation.rows();
    perTile = rowsPerTile(operation.rowElements());
    tiles = Math.ceilDiv(rows, perTile);
    kernel.prepare();
  }

  static int rowsPerTile(long rowElements) {
    return (int) Math.max(1, TILE_ELEMENTS / Math.max(1, rowElements));
  }

  void run() {
    cpu.workers.runInTurn(tiles, Workers.MIN_SHARED_WORK, this);
  }

  @Override
  public void run(int tile, int worker) {
    int begin = tile * perTile;
    kernel.run(cpu.tile(worker).rows(begin, (int) Math.min(rows, (long) begin + perTile)));
  }
}

package io.mla4j.cpu;

import io.mla4j.spi.Kernels;
import io.mla4j.spi.Tile;

/**
 * What the operations of a device share: kernels, threads with a tile each, and memory that belongs
 * to whoever has the turn.
 */
final class Cpu implements AutoCloseable {
  final Kernels kernels;
  final Workers workers;

  /** Between the parts of an operation. */
  final Buffer memory;

  /** Packed activations and the workspaces of attention, within a part. */
  final Buffer workspace;

  /** Products whose weights are others at every run. */
  final Products products;

  /** Pages of mapped experts. */
  final Readahead readahead = new Readahead();

  private final Tile[] tiles;

  Cpu(Kernels kernels, CpuDevice.Allocator allocator, Workers workers) {
    this.kernels = kernels;
    this.workers = workers;
    memory = new Buffer(allocator);
    workspace = new Buffer(allocator);
    products = new Products(this);
    tiles = new Tile[workers.threads()];
    for (int i = 0; i < tiles.length; i++) {
      tiles[i] = new Tile();
    }
  }

  Tile tile(int worker) {
    return tiles[worker];
  }

  /** Another number after either memory has moved. */
  int generation() {
    return memory.generation() + workspace.generation();
  }

  @Override
  public void close() {
    readahead.close();
    memory.close();
    workspace.close();
  }
}

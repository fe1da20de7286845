package io.mla4j.cpu;

import io.mla4j.ops.Absorb;
import io.mla4j.ops.Expand;
import io.mla4j.ops.Operation;
import io.mla4j.spi.HeadProduct;
import io.mla4j.spi.Tile;
import io.mla4j.spi.TileKernel;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/** Absorb or Expand for some of its tokens, a head to a tile. */
final class HeadTiles implements Workers.Task {
  private final Cpu cpu;
  private final TileKernel kernel;
  private final HeadProduct product;

  /** Of Absorb, whose rotated part is copied; else null. */
  private final @Nullable Absorb absorb;

  private int tokenBegin;
  private int tokenEnd;
  private int headsPerTile;

  HeadTiles(Cpu cpu, Absorb operation) {
    this(cpu, operation, HeadProduct.of(operation), operation);
  }

  HeadTiles(Cpu cpu, Expand operation) {
    this(cpu, operation, HeadProduct.of(operation), null);
  }

  private HeadTiles(Cpu cpu, Operation operation, HeadProduct product, @Nullable Absorb absorb) {
    this.cpu = cpu;
    this.product = product;
    this.absorb = absorb;
    kernel = cpu.kernels.bind(operation);
    kernel.prepare();
  }

  void runTokens(int tokenBegin, int tokenEnd) {
    if (tokenBegin == tokenEnd) {
      return;
    }
    this.tokenBegin = tokenBegin;
    this.tokenEnd = tokenEnd;
    int heads = product.heads();
    long work = (long) (tokenEnd - tokenBegin) * heads * product.in() * product.out();
    headsPerTile = cpu.workers.shares(work) ? 1 : heads;
    cpu.workers.runInTurn(heads / headsPerTile, work, this);
  }

  @Override
  public void run(int i, int worker) {
    int head = i * headsPerTile;
    Tile tile = cpu.tile(worker).rows(tokenBegin, tokenEnd).heads(head, head + headsPerTile);
    kernel.run(tile);
    if (absorb != null) {
      copyRotated(absorb, tile);
    }
  }

  private void copyRotated(Absorb absorb, Tile tile) {
    MemorySegment q = absorb.q().segment();
    MemorySegment out = absorb.out().segment();
    int rope = (int) absorb.out().dim(2) - product.out();
    for (long t = tile.rowBegin(); t < tile.rowEnd(); t++) {
      for (long h = tile.headBegin(); h < tile.headEnd(); h++) {
        MemorySegment.copy(
            q,
            ValueLayout.JAVA_FLOAT_UNALIGNED,
            4 * (t * product.xTokenStride() + h * product.xHeadStride() + product.in()),
            out,
            ValueLayout.JAVA_FLOAT_UNALIGNED,
            4 * (t * product.yTokenStride() + h * product.yHeadStride() + product.out()),
            rope);
      }
    }
  }
}

package io.mla4j.cpu;

import io.mla4j.spi.PagedView;

/** Absorb or Expand. */
final class RunHeads extends CpuOperation {
  private final HeadTiles tiles;
  private final int tokens;

  RunHeads(Cpu cpu, HeadTiles tiles, long tokens) {
    super(cpu);
    this.tiles = tiles;
    this.tokens = (int) tokens;
  }

  @Override
  void execute(PagedView plan) {
    tiles.runTokens(0, tokens);
  }
}

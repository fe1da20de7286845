package io.mla4j.cpu;

import io.mla4j.spi.PagedView;
import org.jspecify.annotations.Nullable;

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
  void execute(@Nullable PagedView plan) {
    tiles.runTokens(0, tokens);
  }
}

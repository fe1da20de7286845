package io.mla4j.cpu;

import io.mla4j.ops.Attend;
import io.mla4j.ops.Tensor;
import io.mla4j.spi.AttentionTile;
import io.mla4j.spi.PagedView;
import io.mla4j.spi.Tile;

/** Attention over keys and values that are rebuilt from the latents: tiles are (sequence, head). */
final class RebuiltAttention extends AttentionTiles {
  private final Attend operation;
  private final int heads;

  RebuiltAttention(Cpu cpu, Attend o) {
    super(cpu, () -> AttentionTile.decompressed(o.compute(), o.shape(), o.score(), o.up()));
    operation = o;
    heads = o.shape().heads();
  }

  /**
   * Runs those sequences of a plan.
   *
   * @param lse (n, heads), which nobody reads
   */
  void run(PagedView plan, AbsorbedAttention.Takes<PagedView> takes, Tensor lse) {
    begin();
    Tensor out = operation.out();
    for (int i = 0; i < plan.sequences(); i++) {
      int n = plan.queryTokens(i);
      if (n > 0 && takes.sequence(plan, i)) {
        int first = plan.firstToken(i);
        AttentionTile s = next(plan, i, operation.layer());
        s.queries(operation.q(), first);
        s.tokens(n, plan.kvTokens(i));
        s.strides(out.stride(0), out.stride(1), lse.stride(0), lse.stride(1));
        s.addPart(out.segmentFrom(first), lse.segmentFrom(first));
        add(heads);
      }
    }
    runTiles();
  }

  @Override
  void cut(int i, AttentionTile s, int head, Tile tile) {
    tile.heads(head, head + 1).rows(0, s.queryTokens()).keys(0, s.kvTokens(), 0);
  }
}

package io.mla4j.cpu;

import io.mla4j.AttentionForm;
import io.mla4j.ComputeType;
import io.mla4j.ops.AttentionScore;
import io.mla4j.ops.Merge;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.spi.AttentionTile;
import io.mla4j.spi.Kernels;
import io.mla4j.spi.LatentView;
import io.mla4j.spi.PagedView;
import io.mla4j.spi.Tile;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Attention with absorbed queries: tiles are (sequence, query block, split, head block). Partial
 * results are merged in the order of the splits.
 */
final class AbsorbedAttention extends AttentionTiles {
  /** Which sequences of a plan are to be attended. */
  @FunctionalInterface
  interface Takes<V extends LatentView> {
    /** All of them. */
    Takes<LatentView> ALL = (_, _) -> true;

    boolean sequence(V plan, int i);
  }

  private final int layer;
  private final int heads;
  private final int latent;
  private final int headBlock;
  private final int headBlocks;
  private final int queryBlock;
  private int[] splitLengths = new int[1];
  private Merged[] merges = new Merged[1];
  private Tensor q;
  private Tensor out;
  private Tensor lse;

  /** Where partial results may lie in the device's memory. */
  private long partialsAt;

  AbsorbedAttention(
      Cpu cpu, int layer, int heads, int latent, AttentionScore score, ComputeType compute) {
    super(cpu, () -> AttentionTile.absorbed(compute, heads, score));
    this.layer = layer;
    this.heads = heads;
    this.latent = latent;
    headBlock = cpu.kernels.headBlock(heads);
    headBlocks = Math.ceilDiv(heads, headBlock);
    queryBlock = Math.max(1, Kernels.TILE_ROWS / headBlock);
  }

  /** The bytes of the partial results of a plan. */
  <V extends LatentView> long partialBytes(V plan, Takes<? super V> takes) {
    long bytes = 0;
    for (int i = 0; i < plan.sequences(); i++) {
      int parts = splits(plan, i);
      if (parts > 1 && takes.sequence(plan, i)) {
        bytes += partBytes(plan.queryTokens(i)) * parts;
      }
    }
    return bytes;
  }

  /** The bytes of one part of the results of so many queries. */
  long partBytes(int queries) {
    return (long) queries * heads * (latent + 1) * Float.BYTES;
  }

  /** Where the operands lie: {@code partialsAt} is a place of the device's memory. */
  void place(Tensor q, Tensor out, Tensor lse, long partialsAt) {
    this.q = q;
    this.out = out;
    this.lse = lse;
    this.partialsAt = partialsAt;
    Arrays.fill(merges, null);
  }

  /**
   * Runs the sequences of a plan, of whose partial results there is room for {@link #partialBytes}.
   *
   * @param takes only these
   */
  <V extends LatentView> void run(V plan, Takes<? super V> takes) {
    int sequences = plan.sequences();
    if (merges.length < sequences) {
      merges = Arrays.copyOf(merges, sequences);
      splitLengths = new int[sequences];
    }
    begin();
    long at = partialsAt;
    int added = 0;
    for (int i = 0; i < sequences; i++) {
      int n = plan.queryTokens(i);
      if (n > 0 && takes.sequence(plan, i)) {
        int parts = splits(plan, i);
        AttentionTile s = next(plan, i, layer);
        int first = plan.firstToken(i);
        s.queries(q, first);
        s.tokens(n, plan.kvTokens(i));
        if (parts == 1) {
          splitLengths[added] = plan.kvTokens(i);
          s.strides(out.stride(0), out.stride(1), lse.stride(0), lse.stride(1));
          s.addPart(out.segmentFrom(first), lse.segmentFrom(first));
          merges[added] = null;
        } else {
          splitLengths[added] = plan.splitLength(i);
          merges[added] = merged(merges[added], at, parts, first, n);
          merges[added].addTo(s);
          at += partBytes(n) * parts;
        }
        add(headBlocks * Math.ceilDiv(n, queryBlock) * parts);
        added++;
      }
    }
    runTiles();
    for (int i = 0; i < added; i++) {
      if (merges[i] != null) {
        merges[i].run();
      }
    }
  }

  @Override
  void cut(int i, AttentionTile s, int index, Tile tile) {
    // Tiles of the same rows of the cache are neighbours: they come from memory once.
    int head = index % headBlocks * headBlock;
    int part = index / headBlocks % s.parts();
    int query = index / headBlocks / s.parts() * queryBlock;
    int length = splitLengths[i];
    int key = part * length;
    tile.heads(head, Math.min(heads, head + headBlock))
        .rows(query, Math.min(s.queryTokens(), query + queryBlock))
        .keys(key, Math.min(s.kvTokens(), key + length), part);
  }

  private Merged merged(Merged last, long at, int parts, int first, int n) {
    return last != null && last.fits(at, parts, first, n) ? last : new Merged(at, parts, first, n);
  }

  /** The parts of a sequence, with the merge of them. */
  private final class Merged {
    private final long at;
    private final int parts;
    private final int first;
    private final int n;
    private final MemorySegment[] outs;
    private final MemorySegment[] lses;
    private final RowTiles merge;

    Merged(long at, int parts, int first, int n) {
      this.at = at;
      this.parts = parts;
      this.first = first;
      this.n = n;
      long rows = (long) n * heads;
      long outBytes = rows * latent * Float.BYTES;
      long lseBytes = rows * Float.BYTES;
      Tensor partialOut =
          Tensor.of(
              cpu.memory.view(at, parts * outBytes), StorageFormat.F32, parts, n, heads, latent);
      Tensor partialLse =
          Tensor.of(
              cpu.memory.view(at + parts * outBytes, parts * lseBytes),
              StorageFormat.F32,
              parts,
              n,
              heads);
      outs = new MemorySegment[parts];
      lses = new MemorySegment[parts];
      for (int i = 0; i < parts; i++) {
        outs[i] = partialOut.segment().asSlice(i * outBytes, outBytes);
        lses[i] = partialLse.segment().asSlice(i * lseBytes, lseBytes);
      }
      merge =
          new RowTiles(
              cpu, new Merge(partialOut, partialLse, out.slice(first, n), lse.slice(first, n)));
    }

    boolean fits(long at, int parts, int first, int n) {
      return this.at == at && this.parts == parts && this.first == first && this.n == n;
    }

    void addTo(AttentionTile s) {
      s.strides((long) heads * latent, latent, heads, 1);
      for (int i = 0; i < parts; i++) {
        s.addPart(outs[i], lses[i]);
      }
    }

    void run() {
      merge.run();
    }
  }

  static boolean isAbsorbed(PagedView plan, int i) {
    return plan.form(i) == AttentionForm.ABSORBED;
  }

  private static int splits(LatentView plan, int i) {
    return Math.max(1, Math.ceilDiv(plan.kvTokens(i), plan.splitLength(i)));
  }
}

package io.mla4j.cpu;

import io.mla4j.AttentionForm;
import io.mla4j.ComputeType;
import io.mla4j.ops.AttendGrouped;
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
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Attention with absorbed queries, or over keys and values of their own: tiles are (sequence,
 * group, query block, split, head block). Partial results are merged in the order of the splits.
 *
 * <p>A group is heads that read the same rows. Of latents there is one; heads of keys and values
 * have a layer of the cache each.
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
  private final int groups;

  /** Of a group. */
  private final int heads;

  /** Width of a result. */
  private final int latent;

  private final int headBlock;
  private final int headBlocks;
  private final int queryBlock;
  private int[] splitLengths = new int[1];
  private @Nullable Merged[] merges = new @Nullable Merged[1];

  /** Of each group. */
  private final Tensor[] q;

  private final Tensor[] out;
  private final Tensor[] lse;

  /** Where partial results may lie in the device's memory. */
  private long partialsAt;

  /** Where those of the next group lie while tiles are made. */
  private long partialAt;

  /** Groups of sequences for which there are tiles. */
  private int added;

  AbsorbedAttention(
      Cpu cpu, int layer, int heads, int latent, AttentionScore score, ComputeType compute) {
    this(cpu, layer, 1, heads, latent, () -> AttentionTile.absorbed(compute, heads, score));
  }

  /** Over keys and values of their own. */
  AbsorbedAttention(Cpu cpu, AttendGrouped o) {
    this(
        cpu,
        o.layer(),
        o.groups(),
        o.groupHeads(),
        (int) o.out().dim(2),
        () -> AttentionTile.absorbed(o.compute(), o.groupHeads(), o.score()).variant(true, true));
  }

  private AbsorbedAttention(
      Cpu cpu, int layer, int groups, int heads, int latent, Supplier<AttentionTile> newSequence) {
    super(cpu, newSequence);
    this.layer = layer;
    this.groups = groups;
    this.heads = heads;
    this.latent = latent;
    q = new Tensor[groups];
    out = new Tensor[groups];
    lse = new Tensor[groups];
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
        bytes += partBytes(plan.queryTokens(i)) * parts * groups;
      }
    }
    return bytes;
  }

  /** The bytes of one part of a group's results of so many queries. */
  long partBytes(int queries) {
    return (long) queries * heads * (latent + 1) * Float.BYTES;
  }

  /** Where the operands lie: {@code partialsAt} is a place of the device's memory. */
  void place(Tensor q, Tensor out, Tensor lse, long partialsAt) {
    for (int g = 0; g < groups; g++) {
      this.q[g] = q.along(1, (long) g * heads, heads);
      this.out[g] = out.along(1, (long) g * heads, heads);
      this.lse[g] = lse.along(1, (long) g * heads, heads);
    }
    this.partialsAt = partialsAt;
    Arrays.fill(merges, null);
  }

  /**
   * Runs the sequences of a plan, of whose partial results there is room for {@link #partialBytes}.
   *
   * @param takes only these
   */
  <V extends LatentView> void run(V plan, Takes<? super V> takes) {
    int tiles = plan.sequences() * groups;
    if (merges.length < tiles) {
      merges = Arrays.copyOf(merges, tiles);
      splitLengths = new int[tiles];
    }
    begin();
    partialAt = partialsAt;
    added = 0;
    for (int i = 0; i < plan.sequences(); i++) {
      if (plan.queryTokens(i) > 0 && takes.sequence(plan, i)) {
        for (int g = 0; g < groups; g++) {
          add(plan, i, g);
        }
      }
    }
    runTiles();
    for (int i = 0; i < added; i++) {
      Merged merged = merges[i];
      if (merged != null) {
        merged.run();
      }
    }
  }

  /** The attention of a group of heads of sequence i. */
  private void add(LatentView plan, int i, int g) {
    int n = plan.queryTokens(i);
    int parts = splits(plan, i);
    AttentionTile s = next(plan, i, layer + g);
    int first = plan.firstToken(i);
    s.queries(q[g], first);
    s.tokens(n, plan.kvTokens(i));
    if (parts == 1) {
      splitLengths[added] = plan.kvTokens(i);
      s.strides(out[g].stride(0), out[g].stride(1), lse[g].stride(0), lse[g].stride(1));
      s.addPart(out[g].segmentFrom(first), lse[g].segmentFrom(first));
      merges[added] = null;
    } else {
      splitLengths[added] = plan.splitLength(i);
      Merged merged = merged(merges[added], g, parts, first, n);
      merged.addTo(s);
      merges[added] = merged;
      partialAt += partBytes(n) * parts;
    }
    add(headBlocks * Math.ceilDiv(n, queryBlock) * parts);
    added++;
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

  private Merged merged(@Nullable Merged last, int group, int parts, int first, int n) {
    return last != null && last.fits(partialAt, group, parts, first, n)
        ? last
        : new Merged(this, partialAt, group, parts, first, n);
  }

  /** The parts of a group's results for a sequence, with the merge of them. */
  private static final class Merged {
    private final AbsorbedAttention of;
    private final long at;
    private final int group;
    private final int parts;
    private final int first;
    private final int n;
    private final MemorySegment[] outs;
    private final MemorySegment[] lses;
    private final RowTiles merge;

    Merged(AbsorbedAttention of, long at, int group, int parts, int first, int n) {
      this.of = of;
      this.at = at;
      this.group = group;
      this.parts = parts;
      this.first = first;
      this.n = n;
      long rows = (long) n * of.heads;
      long outBytes = rows * of.latent * Float.BYTES;
      long lseBytes = rows * Float.BYTES;
      Tensor partialOut =
          Tensor.of(
              of.cpu.memory.view(at, parts * outBytes),
              StorageFormat.F32,
              parts,
              n,
              of.heads,
              of.latent);
      Tensor partialLse =
          Tensor.of(
              of.cpu.memory.view(at + parts * outBytes, parts * lseBytes),
              StorageFormat.F32,
              parts,
              n,
              of.heads);
      outs = new MemorySegment[parts];
      lses = new MemorySegment[parts];
      for (int i = 0; i < parts; i++) {
        outs[i] = partialOut.segment().asSlice(i * outBytes, outBytes);
        lses[i] = partialLse.segment().asSlice(i * lseBytes, lseBytes);
      }
      merge =
          new RowTiles(
              of.cpu,
              new Merge(
                  partialOut,
                  partialLse,
                  of.out[group].slice(first, n),
                  of.lse[group].slice(first, n)));
    }

    boolean fits(long at, int group, int parts, int first, int n) {
      return this.at == at
          && this.group == group
          && this.parts == parts
          && this.first == first
          && this.n == n;
    }

    void addTo(AttentionTile s) {
      s.strides((long) of.heads * of.latent, of.latent, of.heads, 1);
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

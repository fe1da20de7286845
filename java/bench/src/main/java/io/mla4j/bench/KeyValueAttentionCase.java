package io.mla4j.bench;

import io.mla4j.cpu.CpuDevice;
import io.mla4j.ops.AttentionScore;
import io.mla4j.ops.Merge;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.spi.AttentionTile;
import io.mla4j.spi.CacheParams;
import io.mla4j.spi.Kernels;
import io.mla4j.spi.Tile;
import io.mla4j.spi.TileKernel;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * MHA, GQA and MQA with the kernels of MLA: a row holds the value and the key of one head, and
 * every head with a cache of its own is a latent cache, all of them with one page table. Tiles hold
 * as many heads and rows as those of MLA; a sequence is cut only where that gives fewer than {@link
 * #TILES_PER_THREAD} tiles to a thread of the row, so no time is lost to splits that nobody needs.
 */
final class KeyValueAttentionCase extends CpuCase {
  private static final double QUERY_DEVIATION = 1;

  /** Tiles for each thread, so that none waits long for the last. */
  private static final int TILES_PER_THREAD = 8;

  private static final int MIN_SPLIT = 256;
  private static final int SPLIT_MULTIPLE = 96;
  private static final long ALIGNMENT = 64;

  private final AttentionSpec spec;
  private final DataPool pool;
  private final Arena arena = Arena.ofShared();
  private final Kernels kernels;
  private final CacheParams cache;
  private final int groups;
  private final int groupHeads;
  private final int headBlock;
  private final int headBlocks;
  private final int queryBlock;
  private final int queryBlocks;
  private final int splits;
  private final int splitLength;
  private final Tensor q;
  private final Tensor out;
  private final MemorySegment lse;
  private final Tensor partialOut;
  private final Tensor partialLse;
  private final Merge merge;
  private final TileKernel mergeTiles;
  private final AttentionTile[] attention;
  private final TileKernel[] bound;
  private final Tile[] tiles;
  private final MemorySegment[] pageTables;
  private MemorySegment layer;

  KeyValueAttentionCase(AttentionSpec spec, DataPool pool) {
    super(spec.axes(spec.form()), spec.work(spec.form()), (CpuDevice) spec.device());
    this.spec = spec;
    this.pool = pool;
    kernels = device.kernels();
    groups = spec.kind().cachedHeads(spec.heads());
    groupHeads = spec.heads() / groups;
    long pages = spec.pagesOfSequence() * spec.batch();
    cache =
        new CacheParams(
            spec.layout(), spec.page(), (int) pages, spec.layout().pageBytes(spec.page()));
    pageTables = new MemorySegment[spec.batch()];
    for (int i = 0; i < pageTables.length; i++) {
      int n = (int) spec.pagesOfSequence();
      pageTables[i] = arena.allocate(4L * n, 4);
      for (int p = 0; p < n; p++) {
        pageTables[i].setAtIndex(ValueLayout.JAVA_INT, p, i * n + p);
      }
    }
    int queries = spec.queries();
    headBlock = kernels.headBlock(groupHeads);
    headBlocks = Math.ceilDiv(groupHeads, headBlock);
    queryBlock = Math.max(1, Kernels.TILE_ROWS / headBlock);
    queryBlocks = Math.ceilDiv(queries, queryBlock);
    long unsplit = (long) spec.batch() * groups * headBlocks * queryBlocks;
    long wanted = Math.ceilDiv((long) TILES_PER_THREAD * device.threads(), unsplit);
    int length = (int) Math.max(MIN_SPLIT, Math.ceilDiv(spec.tokens(), wanted));
    splitLength = Math.ceilDiv(length, SPLIT_MULTIPLE) * SPLIT_MULTIPLE;
    splits = Math.ceilDiv(spec.tokens(), splitLength);
    long n = (long) spec.batch() * queries;
    q = RandomNumbers.floats(device, arena, QUERY_DEVIATION, n, spec.heads(), Kind.HEAD);
    out = RandomNumbers.floats(device, arena, 0, n, spec.heads(), Kind.HEAD);
    lse = device.allocate(4 * n * spec.heads(), arena);
    partialOut = RandomNumbers.floats(device, arena, 0, splits, n, spec.heads(), Kind.HEAD);
    partialLse = RandomNumbers.floats(device, arena, 0, splits, n, spec.heads());
    merge =
        new Merge(partialOut, partialLse, out, Tensor.of(lse, StorageFormat.F32, n, spec.heads()));
    layer = pool.slice(0, spec.layerBytes());
    attention = new AttentionTile[spec.batch() * groups];
    bound = new TileKernel[attention.length];
    for (int i = 0; i < attention.length; i++) {
      attention[i] =
          AttentionTile.absorbed(
                  spec.compute(), groupHeads, AttentionScore.of(AttentionSpec.KEY_VALUE_SCALE))
              .variant(true, true);
      place(i, n);
      bound[i] = kernels.bind(attention[i]);
    }
    prepare();
    mergeTiles = kernels.bind(merge);
    mergeTiles.prepare();
    long bytes = bound[0].workspaceBytes();
    long workspaceBytes = Math.ceilDiv(Math.max(bytes, 1), ALIGNMENT) * ALIGNMENT;
    MemorySegment workspaces = device.allocate(workspaceBytes * device.threads(), arena);
    tiles = new Tile[device.threads()];
    for (int i = 0; i < tiles.length; i++) {
      tiles[i] = new Tile().workspace(workspaces.asSlice(i * workspaceBytes, workspaceBytes));
    }
  }

  /** Queries and results of group {@code i % groups} of sequence {@code i / groups}. */
  private void place(int i, long n) {
    long row = (long) (i / groups) * spec.queries() * spec.heads() + i % groups * groupHeads;
    long at = 4 * row * Kind.HEAD;
    attention[i].queries(q.segment().asSlice(at), q.stride(0), q.stride(1));
    attention[i].tokens(spec.queries(), spec.tokens());
    attention[i].strides(out.stride(0), out.stride(1), spec.heads(), 1);
    for (int part = 0; part < splits; part++) {
      long rows = part * n * spec.heads() + row;
      attention[i].addPart(
          splits == 1
              ? out.segment().asSlice(at)
              : partialOut.segment().asSlice(4 * rows * Kind.HEAD),
          splits == 1 ? lse.asSlice(4 * row) : partialLse.segment().asSlice(4 * rows));
    }
  }

  /** The pages of the current piece. */
  private void prepare() {
    long headBytes = spec.layerBytes() / groups;
    for (int i = 0; i < attention.length; i++) {
      MemorySegment pages = layer.asSlice(i % groups * headBytes, headBytes);
      attention[i].pages(cache, pages, pageTables[i / groups]);
      bound[i].prepare();
    }
  }

  @Override
  void run() {
    if (spec.residency() == AttentionGrid.Residency.COLD) {
      long bytes = spec.layerBytes();
      layer = pool.slice(pool.nextPiece(bytes) * bytes, bytes);
      prepare();
    }
    workers().run(attention.length * headBlocks * queryBlocks * splits, this::attend);
    if (splits > 1) {
      workers()
          .run(
              merge.rows(),
              merge.rows() * merge.rowElements(),
              (row, worker) -> mergeTiles.run(tiles[worker].rows(row, row + 1)));
    }
  }

  private void attend(int tile, int worker) {
    int split = tile % splits;
    int rest = tile / splits;
    int queryBegin = rest % queryBlocks * queryBlock;
    rest /= queryBlocks;
    int headBegin = rest % headBlocks * headBlock;
    int kvBegin = split * splitLength;
    bound[rest / headBlocks].run(
        tiles[worker]
            .heads(headBegin, Math.min(groupHeads, headBegin + headBlock))
            .rows(queryBegin, Math.min(spec.queries(), queryBegin + queryBlock))
            .keys(kvBegin, Math.min(spec.tokens(), kvBegin + splitLength), split));
  }

  @Override
  boolean isBoundByMemory() {
    return spec.isBoundByMemory();
  }

  @Override
  void verify() {
    run();
    long headBytes = spec.layerBytes() / groups;
    for (int i : AttentionCheck.some(spec.batch())) {
      for (int h : AttentionCheck.some(spec.heads())) {
        AttentionCheck check =
            new AttentionCheck(
                label(),
                spec,
                layer.asSlice(h / groupHeads * headBytes, headBytes),
                pageTables[i],
                i * spec.queries(),
                AttentionSpec.KEY_VALUE_SCALE);
        for (int t : AttentionCheck.some(spec.queries())) {
          check.keyValue(q, out, t, h);
        }
      }
    }
  }

  @Override
  public void close() {
    arena.close();
  }
}

package io.mla4j.bench;

import io.mla4j.cpu.CpuDevice;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.spi.AttentionParams;
import io.mla4j.spi.CacheParams;
import io.mla4j.spi.MergeParams;
import io.mla4j.spi.TileKernels;
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
  private final TileKernels kernels;
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
  private final MemorySegment partialOut;
  private final MemorySegment partialLse;
  private final MemorySegment workspaces;
  private final long workspaceBytes;
  private final AttentionParams params;
  private final MergeParams merge;
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
            spec.layout(), spec.page(), (int) pages, spec.page() * spec.layout().rowStrideBytes());
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
    queryBlock = Math.max(1, TileKernels.TILE_ROWS / headBlock);
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
    partialOut = device.allocate(4 * splits * n * spec.heads() * Kind.HEAD, arena);
    partialLse = device.allocate(4 * splits * n * spec.heads(), arena);
    params =
        new AttentionParams(
            spec.compute(),
            groupHeads,
            queries,
            spec.tokens(),
            true,
            0,
            0,
            StorageFormat.F32,
            0,
            0,
            AttentionSpec.KEY_VALUE_SCALE,
            spec.layout().ropeOffset(),
            q.stride(0),
            q.stride(1),
            out.stride(0),
            out.stride(1),
            spec.heads(),
            1,
            0,
            0);
    merge =
        new MergeParams(
            splits,
            queries,
            spec.heads(),
            Kind.HEAD,
            n * spec.heads() * Kind.HEAD,
            out.stride(0),
            out.stride(1),
            n * spec.heads(),
            spec.heads(),
            1,
            out.stride(0),
            out.stride(1),
            spec.heads(),
            1);
    long bytes = kernels.attentionWorkspace(params, cache, false);
    workspaceBytes = Math.ceilDiv(Math.max(bytes, 1), ALIGNMENT) * ALIGNMENT;
    workspaces = device.allocate(workspaceBytes * device.threads(), arena);
    layer = pool.slice(0, spec.layerBytes());
  }

  @Override
  void run() {
    if (spec.residency() == AttentionGrid.Residency.COLD) {
      long bytes = spec.layerBytes();
      layer = pool.slice(pool.nextPiece(bytes) * bytes, bytes);
    }
    workers().run(spec.batch() * groups * headBlocks * queryBlocks * splits, this::attend);
    if (splits > 1) {
      workers()
          .run(
              spec.heads(),
              (long) splits * spec.batch() * spec.queries() * spec.heads() * Kind.HEAD,
              (h, _) -> merge(h));
    }
  }

  private void attend(int tile, int worker) {
    int split = tile % splits;
    int rest = tile / splits;
    int queryBegin = rest % queryBlocks * queryBlock;
    rest /= queryBlocks;
    int headBegin = rest % headBlocks * headBlock;
    rest /= headBlocks;
    int group = rest % groups;
    int sequence = rest / groups;
    long row = ((long) sequence * spec.queries()) * spec.heads() + (long) group * groupHeads;
    long rows = (long) spec.batch() * spec.queries() * spec.heads();
    long headBytes = spec.layerBytes() / groups;
    int kvBegin = split * splitLength;
    kernels.attendAbsorbed(
        params,
        cache,
        q.segment().asSlice(4 * row * Kind.HEAD),
        layer.asSlice(group * headBytes, headBytes),
        pageTables[sequence],
        MemorySegment.NULL,
        headBegin,
        Math.min(groupHeads, headBegin + headBlock),
        queryBegin,
        Math.min(spec.queries(), queryBegin + queryBlock),
        kvBegin,
        Math.min(spec.tokens(), kvBegin + splitLength),
        splits == 1
            ? out.segment().asSlice(4 * row * Kind.HEAD)
            : partialOut.asSlice(4 * (split * rows + row) * Kind.HEAD),
        splits == 1 ? lse.asSlice(4 * row) : partialLse.asSlice(4 * (split * rows + row)),
        workspaces.asSlice(worker * workspaceBytes, workspaceBytes));
  }

  private void merge(int head) {
    for (int i = 0; i < spec.batch(); i++) {
      long row = (long) i * spec.queries() * spec.heads();
      kernels.merge(
          merge,
          partialOut.asSlice(4 * row * Kind.HEAD),
          partialLse.asSlice(4 * row),
          0,
          spec.queries(),
          head,
          head + 1,
          out.segment().asSlice(4 * row * Kind.HEAD),
          lse.asSlice(4 * row));
    }
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

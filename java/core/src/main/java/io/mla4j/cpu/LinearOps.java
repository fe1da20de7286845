package io.mla4j.cpu;

import io.mla4j.ComputeType;
import io.mla4j.ops.Ops.Projection;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
import io.mla4j.spi.LinearParams;
import io.mla4j.spi.TileKernels;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * Linear layers: activations are packed once, then the rows of all weights are cut into tiles. Used
 * between {@link Workers#enter} and {@link Workers#leave}; everything that an operation needs is
 * kept for the next one, so that a decode loop makes no garbage.
 */
final class LinearOps implements AutoCloseable {
  /** Rows that one pack call takes; a multiple of 16, as {@link TileKernels#pack} asks. */
  private static final int PACK_ROWS = 32;

  /** Rows below which handing packing to other threads costs more than it saves. */
  private static final int INLINE_PACK_ROWS = 64;

  /** Tiles per thread, so that a slow thread can be helped out. */
  private static final int TILES_PER_THREAD = 6;

  /** The largest number of weight rows in a tile. */
  private static final int MAX_TILE_ROWS = 512;

  /** Tiles are cut at multiples of what the native kernels write at once. */
  private static final int TILE_ROW_MULTIPLE = 48;

  /** Weight rows in the last tiles of an operation: small, so that all threads end together. */
  private static final int LAST_TILE_ROWS = 24;

  /** A power of two, several times the different linears of a layer. */
  private static final int RECENT_PARAMS = 64;

  private final TileKernels kernels;
  private final Workers workers;
  private final Buffer packed;
  private final List<Group> groups = new ArrayList<>();
  private final LinearParams[] recentParams = new LinearParams[RECENT_PARAMS];
  private final Workers.Task packTile = this::packTile;
  private final Workers.Task multiplyTile = this::multiplyTile;
  private int count;

  LinearOps(TileKernels kernels, CpuDevice.Allocator allocator, Workers workers) {
    this.kernels = kernels;
    this.workers = workers;
    this.packed = new Buffer(allocator);
  }

  /** One operation: x W^T + bias for each projection. */
  void run(Tensor x, List<Projection> projections, ComputeType compute) {
    begin();
    for (int i = 0; i < projections.size(); i++) {
      Projection p = projections.get(i);
      add(
          x.segment(),
          x.stride(0),
          MemorySegment.NULL,
          (int) x.dim(0),
          p.weight(),
          p.bias() == null ? MemorySegment.NULL : p.bias().segment(),
          p.out().segment(),
          p.out().stride(0),
          compute);
    }
    runGroups();
  }

  /** Starts a grouped operation; {@link #add} and {@link #runGroups} follow. */
  void begin() {
    count = 0;
  }

  /**
   * Adds {@code y = x[indices] W^T + bias}. Neighbours that share x, its rows, the input width and
   * the weight type are packed once.
   */
  void add(
      MemorySegment x,
      long xStride,
      MemorySegment indices,
      int rows,
      Weight weight,
      MemorySegment bias,
      MemorySegment y,
      long yStride,
      ComputeType compute) {
    LinearParams params = params(compute, weight, rows, xStride, yStride);
    Group last = count == 0 ? null : groups.get(count - 1);
    if (count == groups.size()) {
      groups.add(new Group());
    }
    Group g = groups.get(count++);
    g.shared =
        last != null
            && last.params.weightType() == params.weightType()
            && last.params.rows() == rows
            && last.params.k() == params.k()
            && last.x.address() == x.address()
            && last.indices.address() == indices.address();
    g.packedOffset =
        last == null
            ? 0
            : g.shared ? last.packedOffset : last.packedOffset + Buffer.roundUp(last.packedBytes);
    g.packedBytes = kernels.packedBytes(params);
    g.params = params;
    g.x = x;
    g.indices = indices;
    g.weight = weight.tensor().segment();
    g.bias = bias;
    g.y = y;
  }

  /** The same object for the same numbers, as a rule. */
  private LinearParams params(
      ComputeType compute, Weight weight, int rows, long xStride, long yStride) {
    Tensor w = weight.tensor();
    int in = weight.in();
    int out = weight.out();
    long hash = (((rows * 31L + in) * 31 + out) * 31 + xStride) * 31 + yStride;
    int slot = (int) (hash * 0x9E3779B97F4A7C15L >>> 32) & RECENT_PARAMS - 1;
    LinearParams p = recentParams[slot];
    if (p == null
        || p.compute() != compute
        || p.weightType() != w.format()
        || p.rows() != rows
        || p.k() != in
        || p.n() != out
        || p.xStride() != xStride
        || p.weightStride() != w.stride(0)
        || p.yStride() != yStride) {
      p = new LinearParams(compute, w.format(), rows, in, out, 0, 0, xStride, w.stride(0), yStride);
      recentParams[slot] = p;
    }
    return p;
  }

  /** Packs and multiplies everything that was added. */
  void runGroups() {
    if (count == 0) {
      return;
    }
    pack();
    long work = 0;
    for (int i = 0; i < count; i++) {
      LinearParams p = groups.get(i).params;
      work += (long) p.n() * p.k() * Math.max(1, p.rows() / 4);
    }
    long perTile = Math.max(1, work / ((long) workers.threads() * TILES_PER_THREAD));
    int tiles = 0;
    for (int i = 0; i < count; i++) {
      Group g = groups.get(i);
      LinearParams p = g.params;
      long perRow = (long) p.k() * Math.max(1, p.rows() / 4);
      int rows = Math.clamp(perTile / perRow, TILE_ROW_MULTIPLE, MAX_TILE_ROWS);
      g.tileRows = rows / TILE_ROW_MULTIPLE * TILE_ROW_MULTIPLE;
      int last = i == count - 1 ? Math.min(p.n(), workers.threads() * g.tileRows) : 0;
      g.largeTiles = Math.ceilDiv(p.n() - last, g.tileRows);
      g.firstTile = tiles;
      int rest = Math.max(0, p.n() - g.largeTiles * g.tileRows);
      tiles += p.rows() == 0 ? 0 : g.largeTiles + Math.ceilDiv(rest, LAST_TILE_ROWS);
    }
    workers.run(tiles, work, multiplyTile);
  }

  private void multiplyTile(int tile, int worker) {
    int i = count - 1;
    while (tile < groups.get(i).firstTile) {
      i--;
    }
    Group g = groups.get(i);
    int index = tile - g.firstTile;
    boolean large = index < g.largeTiles;
    int begin =
        large
            ? index * g.tileRows
            : g.largeTiles * g.tileRows + (index - g.largeTiles) * LAST_TILE_ROWS;
    kernels.linear(
        g.params,
        g.packed,
        g.weight,
        MemorySegment.NULL,
        g.bias,
        begin,
        Math.min(g.params.n(), begin + (large ? g.tileRows : LAST_TILE_ROWS)),
        g.y);
  }

  private void pack() {
    Group last = groups.get(count - 1);
    packed.bytes(last.packedOffset + last.packedBytes);
    int total = 0;
    int tiles = 0;
    for (int i = 0; i < count; i++) {
      Group g = groups.get(i);
      g.packed = packed.view(g.packedOffset, g.packedBytes);
      g.firstTile = tiles;
      if (!g.shared) {
        total += g.params.rows();
        tiles += (g.params.rows() + PACK_ROWS - 1) / PACK_ROWS;
      }
    }
    if (total > INLINE_PACK_ROWS) {
      workers.run(tiles, packTile);
      return;
    }
    for (int i = 0; i < count; i++) {
      Group g = groups.get(i);
      if (!g.shared) {
        pack(g, 0, g.params.rows());
      }
    }
  }

  private void packTile(int tile, int worker) {
    int i = count - 1;
    while (tile < groups.get(i).firstTile || groups.get(i).shared) {
      i--;
    }
    Group g = groups.get(i);
    int begin = (tile - g.firstTile) * PACK_ROWS;
    pack(g, begin, Math.min(g.params.rows(), begin + PACK_ROWS));
  }

  private void pack(Group g, int begin, int end) {
    if (begin < end) {
      kernels.pack(g.params, g.x, g.indices, begin, end, g.packed);
    }
  }

  @Override
  public void close() {
    packed.close();
  }

  /** One weight with its input. */
  private static final class Group {
    LinearParams params;
    MemorySegment x;
    MemorySegment indices;
    MemorySegment weight;
    MemorySegment bias;
    MemorySegment y;
    MemorySegment packed;
    long packedOffset;
    long packedBytes;

    /** Whether the group before it packs the same activations. */
    boolean shared;

    /** Rows of the weight that a large tile computes. */
    int tileRows;

    /** How many large tiles come before those of {@link #LAST_TILE_ROWS}. */
    int largeTiles;

    /** Of packing, then of multiplying. */
    int firstTile;
  }
}

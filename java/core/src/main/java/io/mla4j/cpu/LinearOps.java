package io.mla4j.cpu;

import io.mla4j.ComputeType;
import io.mla4j.Tensor;
import io.mla4j.TensorType;
import io.mla4j.Weight;
import io.mla4j.spi.LinearParams;
import io.mla4j.spi.Ops.Projection;
import io.mla4j.spi.TileKernels;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * Linear layers: activations are packed once, then the rows of all weights are cut into tiles. Used
 * under the lock of {@link Workers}.
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

  private static final int TILE_ROW_MULTIPLE = 24;

  private final TileKernels kernels;
  private final Workers workers;
  private final Buffer packed;
  private final List<Group> groups = new ArrayList<>();

  LinearOps(TileKernels kernels, CpuDevice.Allocator allocator, Workers workers) {
    this.kernels = kernels;
    this.workers = workers;
    this.packed = new Buffer(allocator);
  }

  void check(Tensor x, List<Projection> projections) {
    Checks.requireFloats("x", x, 2);
    Checks.require(!projections.isEmpty(), "projections is empty");
    for (int i = 0; i < projections.size(); i++) {
      Projection p = projections.get(i);
      String name = "projections[" + i + "]";
      Checks.requireFloats(name + ".out", p.out(), 2);
      Checks.requireOutput(name + ".out", p.out(), TensorType.F32, x.dim(0), p.out().dim(1));
      Checks.require(name + ".weight", p.weight(), p.out().dim(1), x.dim(1));
      if (p.bias() != null) {
        Checks.require(name + ".bias", p.bias(), TensorType.F32, p.out().dim(1));
      }
    }
  }

  /** One operation: x W^T + bias for each projection. */
  void run(Tensor x, List<Projection> projections, ComputeType compute) {
    begin();
    for (Projection p : projections) {
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
    groups.clear();
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
    LinearParams params =
        new LinearParams(
            compute,
            weight.tensor().type(),
            rows,
            weight.in(),
            weight.out(),
            0,
            0,
            xStride,
            weight.tensor().stride(0),
            yStride);
    Group last = groups.isEmpty() ? null : groups.getLast();
    boolean shared =
        last != null
            && last.params.weightType() == params.weightType()
            && last.params.rows() == rows
            && last.params.k() == params.k()
            && last.x.address() == x.address()
            && last.indices.address() == indices.address();
    long offset =
        shared
            ? last.packedOffset
            : last == null ? 0 : last.packedOffset + Buffer.roundUp(last.packedBytes);
    groups.add(
        new Group(
            params,
            x,
            indices,
            weight.tensor().segment(),
            bias,
            y,
            offset,
            kernels.packedBytes(params),
            shared));
  }

  /** Packs and multiplies everything that was added. */
  void runGroups() {
    if (groups.isEmpty()) {
      return;
    }
    Group last = groups.getLast();
    MemorySegment memory = packed.bytes(last.packedOffset + last.packedBytes);
    pack(memory);
    long work = 0;
    for (Group g : groups) {
      work += (long) g.params.n() * g.params.k() * Math.max(1, g.params.rows() / 4);
    }
    long perTile = Math.max(1, work / ((long) workers.threads() * TILES_PER_THREAD));
    int[] firstTile = new int[groups.size() + 1];
    int[] tileRows = new int[groups.size()];
    for (int i = 0; i < groups.size(); i++) {
      LinearParams p = groups.get(i).params;
      long perRow = (long) p.k() * Math.max(1, p.rows() / 4);
      long rows = Math.clamp(perTile / perRow, TILE_ROW_MULTIPLE, MAX_TILE_ROWS);
      tileRows[i] = (int) (rows + TILE_ROW_MULTIPLE - 1) / TILE_ROW_MULTIPLE * TILE_ROW_MULTIPLE;
      int tiles = p.rows() == 0 ? 0 : (p.n() + tileRows[i] - 1) / tileRows[i];
      firstTile[i + 1] = firstTile[i] + tiles;
    }
    workers.run(
        firstTile[groups.size()],
        work,
        (tile, _) -> {
          int i = 0;
          while (tile >= firstTile[i + 1]) {
            i++;
          }
          Group g = groups.get(i);
          int begin = (tile - firstTile[i]) * tileRows[i];
          kernels.linear(
              g.params,
              memory.asSlice(g.packedOffset, g.packedBytes),
              g.weight,
              MemorySegment.NULL,
              g.bias,
              begin,
              Math.min(g.params.n(), begin + tileRows[i]),
              g.y);
        });
  }

  private void pack(MemorySegment memory) {
    int total = 0;
    for (Group g : groups) {
      total += g.shared ? 0 : g.params.rows();
    }
    if (total <= INLINE_PACK_ROWS) {
      for (Group g : groups) {
        if (!g.shared) {
          pack(g, memory, 0, g.params.rows());
        }
      }
      return;
    }
    List<Group> distinct = groups.stream().filter(g -> !g.shared).toList();
    int[] firstTile = new int[distinct.size() + 1];
    for (int i = 0; i < distinct.size(); i++) {
      firstTile[i + 1] = firstTile[i] + (distinct.get(i).params.rows() + PACK_ROWS - 1) / PACK_ROWS;
    }
    workers.run(
        firstTile[distinct.size()],
        (tile, _) -> {
          int i = 0;
          while (tile >= firstTile[i + 1]) {
            i++;
          }
          Group g = distinct.get(i);
          int begin = (tile - firstTile[i]) * PACK_ROWS;
          pack(g, memory, begin, Math.min(g.params.rows(), begin + PACK_ROWS));
        });
  }

  private void pack(Group g, MemorySegment memory, int begin, int end) {
    if (begin < end) {
      kernels.pack(
          g.params, g.x, g.indices, begin, end, memory.asSlice(g.packedOffset, g.packedBytes));
    }
  }

  @Override
  public void close() {
    packed.close();
  }

  /** One weight with its input. {@code shared}: the group before it packs the same activations. */
  private record Group(
      LinearParams params,
      MemorySegment x,
      MemorySegment indices,
      MemorySegment weight,
      MemorySegment bias,
      MemorySegment y,
      long packedOffset,
      long packedBytes,
      boolean shared) {}
}

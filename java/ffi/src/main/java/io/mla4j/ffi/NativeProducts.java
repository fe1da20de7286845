package io.mla4j.ffi;

import static io.mla4j.ffi.Segments.extent;
import static io.mla4j.ffi.Segments.input4;
import static io.mla4j.ffi.Segments.optional4;
import static io.mla4j.ffi.Segments.output;
import static io.mla4j.ffi.Segments.output4;
import static io.mla4j.ffi.Segments.weight;

import io.mla4j.InvalidArgumentException;
import io.mla4j.ffi.abi.mla_head_linear_params;
import io.mla4j.ffi.abi.mla_kernels;
import io.mla4j.ffi.abi.mla_linear_params;
import io.mla4j.spi.HeadProduct;
import io.mla4j.spi.MatrixProduct;
import io.mla4j.spi.Tile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** The library's matrix products. */
final class NativeProducts {
  private NativeProducts() {}

  /** What reads or writes packed rows. */
  private abstract static class Packed extends NativeTile {
    final MatrixProduct p;
    final MemorySegment params = mla_linear_params.allocate(Arena.ofAuto());
    private final MemorySegment packedBytes;
    private long bytes;

    Packed(NativeTable table, MemorySegment function, MatrixProduct p) {
      super(function);
      this.p = p;
      packedBytes = table.function("packed_bytes", mla_kernels.packed_bytes(table.segment()));
    }

    @Override
    public void prepare() {
      NativeParams.fill(params, p);
      bytes = mla_kernels.packed_bytes.invoke(packedBytes, params);
      if (bytes < 0) {
        throw new InvalidArgumentException("the native kernels refuse " + p);
      }
    }

    @Override
    public long workspaceBytes() {
      return bytes;
    }

    final MemorySegment packed(Tile tile) {
      output("packed", tile.workspace(), bytes, WORKSPACE_ALIGNMENT);
      return tile.workspace();
    }
  }

  /** Packing. */
  static final class PackTile extends Packed {
    PackTile(NativeTable table, MatrixProduct p) {
      super(table, table.function("pack", mla_kernels.pack(table.segment())), p);
    }

    @Override
    public void prepare() {
      int rows = p.rows();
      if (!Segments.isNull(p.indices())) {
        input4("indices", p.indices(), rows);
        rows = sourceRows(p.indices(), rows);
      }
      input4("x", p.x(), extent(rows, p.xStride(), p.k()));
      super.prepare();
    }

    /**
     * One more than the largest row of x that is packed: the library does not know how many there
     * are.
     */
    private static int sourceRows(MemorySegment indices, int rows) {
      int largest = -1;
      for (int i = 0; i < rows; i++) {
        int index = indices.getAtIndex(ValueLayout.JAVA_INT, i);
        if (index < 0 || index == Integer.MAX_VALUE) {
          throw new InvalidArgumentException(
              "indices[" + i + "] is " + index + ", but must be in 0.." + (Integer.MAX_VALUE - 1));
        }
        largest = Math.max(largest, index);
      }
      return largest + 1;
    }

    @Override
    public void run(Tile tile) {
      MemorySegment packed = packed(tile);
      check(
          tile,
          mla_kernels.pack.invoke(
              function,
              params,
              p.x(),
              p.indices(),
              tile.rowBegin(),
              tile.rowEnd(),
              packed,
              packed.byteSize(),
              tile.error(),
              errorBytes(tile)));
    }
  }

  /** Packed rows times a weight. */
  static final class MultiplyTile extends Packed {
    private MemorySegment scales = NULL;

    MultiplyTile(NativeTable table, MatrixProduct p) {
      super(table, table.function("linear", mla_kernels.linear(table.segment())), p);
    }

    @Override
    public void prepare() {
      weight("weight", p.weight(), p.weightType(), extent(p.n(), p.weightStride(), p.k()));
      scales = p.matrix().scaleSegment();
      Segments.scales("scales", p.matrix());
      optional4("bias", p.bias(), p.n());
      output4("y", p.y(), extent(p.rows(), p.yStride(), p.n()));
      super.prepare();
    }

    @Override
    public void run(Tile tile) {
      check(
          tile,
          mla_kernels.linear.invoke(
              function,
              params,
              packed(tile),
              p.weight(),
              scales,
              p.bias(),
              tile.rowBegin(),
              tile.rowEnd(),
              p.y(),
              tile.error(),
              errorBytes(tile)));
    }
  }

  /** A small product for each head. */
  static final class HeadTile extends NativeTile {
    private final HeadProduct p;
    private final MemorySegment params = mla_head_linear_params.allocate(Arena.ofAuto());
    private final MemorySegment scales;

    HeadTile(NativeTable table, HeadProduct p) {
      super(table.function("head_linear", mla_kernels.head_linear(table.segment())));
      this.p = p;
      scales = p.matrices().weight().scaleSegment();
    }

    @Override
    public void prepare() {
      int heads = p.heads();
      int rows = p.transposed() ? p.in() : p.out();
      int columns = p.transposed() ? p.out() : p.in();
      input4("x", p.x(), extent(p.tokens(), p.xTokenStride(), heads, p.xHeadStride(), p.in()));
      weight(
          "weight",
          p.weight(),
          p.matrices().weight().format(),
          extent(heads, p.matrices().headStride(), rows, p.matrices().stride(), columns));
      Segments.scales("scales", p.matrices().weight());
      output4("y", p.y(), extent(p.tokens(), p.yTokenStride(), heads, p.yHeadStride(), p.out()));
      NativeParams.fill(params, p);
    }

    @Override
    public void run(Tile tile) {
      check(
          tile,
          mla_kernels.head_linear.invoke(
              function,
              params,
              p.x(),
              p.weight(),
              scales,
              tile.headBegin(),
              tile.headEnd(),
              tile.rowBegin(),
              tile.rowEnd(),
              p.y(),
              tile.error(),
              errorBytes(tile)));
    }
  }
}

package io.mla4j.ffi;

import static io.mla4j.ffi.Segments.extent;
import static io.mla4j.ffi.Segments.input4;
import static io.mla4j.ffi.Segments.optional4;
import static io.mla4j.ffi.Segments.output4;
import static io.mla4j.ffi.Segments.range;
import static io.mla4j.ffi.Segments.rows4;
import static io.mla4j.ffi.Segments.weight;

import io.mla4j.ffi.abi.Mla;
import io.mla4j.ffi.abi.mla_embed_params;
import io.mla4j.ffi.abi.mla_kernels;
import io.mla4j.ffi.abi.mla_merge_params;
import io.mla4j.ffi.abi.mla_rope_params;
import io.mla4j.ffi.abi.mla_route_params;
import io.mla4j.ops.Add;
import io.mla4j.ops.Combine;
import io.mla4j.ops.Embed;
import io.mla4j.ops.Gate;
import io.mla4j.ops.LayerNorm;
import io.mla4j.ops.Merge;
import io.mla4j.ops.RmsNorm;
import io.mla4j.ops.Rotate;
import io.mla4j.ops.Route;
import io.mla4j.ops.RowOperation;
import io.mla4j.ops.SwiGlu;
import io.mla4j.ops.Tensor;
import io.mla4j.spi.Tile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** The library's operations on rows. Tensors do not change: they are looked at once. */
final class NativeRows {
  private NativeRows() {}

  /** The kernel, or null where the library's interface has none for it. */
  static NativeTile bind(RowOperation operation, NativeTable table) {
    return switch (operation) {
      case Embed o -> new EmbedTile(table.function("embed", mla_kernels.embed(table.segment())), o);
      case RmsNorm o ->
          new RmsNormTile(table.function("rms_norm", mla_kernels.rms_norm(table.segment())), o);
      case LayerNorm o ->
          new LayerNormTile(
              table.function("layer_norm", mla_kernels.layer_norm(table.segment())), o);
      case SwiGlu o ->
          new SwiGluTile(table.function("swiglu", mla_kernels.swiglu(table.segment())), o);
      case Gate o -> new GateTile(table.function("gate", mla_kernels.gate(table.segment())), o);
      case Add o -> new AddTile(table.function("add", mla_kernels.add(table.segment())), o);
      case Rotate o -> new RotateTile(table.function("rope", mla_kernels.rope(table.segment())), o);
      case Merge o -> new MergeTile(table.function("merge", mla_kernels.merge(table.segment())), o);
      case Route o -> new RouteTile(table.function("route", mla_kernels.route(table.segment())), o);
      case Combine o ->
          new CombineTile(table.function("combine", mla_kernels.combine(table.segment())), o);
      default -> null;
    };
  }

  private static void output(String name, Tensor tensor) {
    rows4(name, tensor);
    output4(name, tensor.segment(), 0);
  }

  private static MemorySegment orNull(Tensor tensor) {
    return tensor == null ? NativeTile.NULL : tensor.segment();
  }

  private static int count(Tile tile, int rows) {
    range("row", tile.rowBegin(), tile.rowEnd(), rows);
    return tile.rowEnd() - tile.rowBegin();
  }

  private static final class EmbedTile extends NativeTile {
    private final Embed o;
    private final Tensor table;
    private final MemorySegment scales;
    private final MemorySegment params = mla_embed_params.allocate(Arena.ofAuto());

    EmbedTile(MemorySegment function, Embed o) {
      super(function);
      this.o = o;
      table = o.table().tensor();
      scales = o.table().scaleSegment();
    }

    @Override
    public void prepare() {
      weight(
          "table",
          table.segment(),
          table.format(),
          extent(o.vocabulary(), table.stride(0), table.dim(1)));
      Segments.scales("table", o.table());
      input4("ids", o.ids().segment(), o.rows());
      output("out", o.out());
      NativeParams.fill(params, o);
    }

    @Override
    public void run(Tile tile) {
      int count = count(tile, o.rows());
      check(
          tile,
          mla_kernels.embed.invoke(
              function,
              params,
              table.segment(),
              scales,
              o.ids().segmentFrom(tile.rowBegin()),
              count,
              o.out().segmentFrom(tile.rowBegin()),
              tile.error(),
              errorBytes(tile)));
    }
  }

  private static final class RmsNormTile extends NativeTile {
    private final RmsNorm o;

    RmsNormTile(MemorySegment function, RmsNorm o) {
      super(function);
      this.o = o;
    }

    @Override
    public void prepare() {
      rows4("x", o.x());
      input4("weight", o.weight().segment(), o.x().dim(1));
      output("out", o.out());
    }

    @Override
    public void run(Tile tile) {
      int count = count(tile, o.rows());
      check(
          tile,
          mla_kernels.rms_norm.invoke(
              function,
              o.x().segmentFrom(tile.rowBegin()),
              o.x().stride(0),
              o.weight().segment(),
              o.eps(),
              count,
              (int) o.x().dim(1),
              o.out().segmentFrom(tile.rowBegin()),
              o.out().stride(0),
              tile.error(),
              errorBytes(tile)));
    }
  }

  private static final class LayerNormTile extends NativeTile {
    private final LayerNorm o;

    LayerNormTile(MemorySegment function, LayerNorm o) {
      super(function);
      this.o = o;
    }

    @Override
    public void prepare() {
      rows4("x", o.x());
      input4("weight", o.weight().segment(), o.x().dim(1));
      input4("bias", o.bias().segment(), o.x().dim(1));
      output("out", o.out());
    }

    @Override
    public void run(Tile tile) {
      int count = count(tile, o.rows());
      check(
          tile,
          mla_kernels.layer_norm.invoke(
              function,
              o.x().segmentFrom(tile.rowBegin()),
              o.x().stride(0),
              o.weight().segment(),
              o.bias().segment(),
              o.eps(),
              count,
              (int) o.x().dim(1),
              o.out().segmentFrom(tile.rowBegin()),
              o.out().stride(0),
              tile.error(),
              errorBytes(tile)));
    }
  }

  private static final class SwiGluTile extends NativeTile {
    private final SwiGlu o;

    SwiGluTile(MemorySegment function, SwiGlu o) {
      super(function);
      this.o = o;
    }

    @Override
    public void prepare() {
      rows4("gate", o.gate());
      rows4("up", o.up());
      output("out", o.out());
    }

    @Override
    public void run(Tile tile) {
      int count = count(tile, o.rows());
      check(
          tile,
          mla_kernels.swiglu.invoke(
              function,
              o.gate().segmentFrom(tile.rowBegin()),
              o.gate().stride(0),
              o.up().segmentFrom(tile.rowBegin()),
              o.up().stride(0),
              o.limit(),
              count,
              (int) o.gate().dim(1),
              o.out().segmentFrom(tile.rowBegin()),
              o.out().stride(0),
              tile.error(),
              errorBytes(tile)));
    }
  }

  private static final class GateTile extends NativeTile {
    private final Gate o;

    GateTile(MemorySegment function, Gate o) {
      super(function);
      this.o = o;
    }

    @Override
    public void prepare() {
      rows4("x", o.x());
      rows4("gates", o.gates());
      output("out", o.out());
    }

    @Override
    public void run(Tile tile) {
      int count = count(tile, o.rows());
      check(
          tile,
          mla_kernels.gate.invoke(
              function,
              o.x().segmentFrom(tile.rowBegin()),
              o.x().stride(0),
              o.gates().segmentFrom(tile.rowBegin()),
              o.gates().stride(0),
              count,
              (int) o.x().dim(1),
              (int) o.gates().dim(1),
              function(o.function()),
              o.out().segmentFrom(tile.rowBegin()),
              o.out().stride(0),
              tile.error(),
              errorBytes(tile)));
    }
  }

  private static int function(Gate.Function function) {
    return switch (function) {
      case IDENTITY -> Mla.MLA_GATE_IDENTITY();
      case SIGMOID -> Mla.MLA_GATE_SIGMOID();
      case RELU -> Mla.MLA_GATE_RELU();
    };
  }

  private static final class AddTile extends NativeTile {
    private final Add o;

    AddTile(MemorySegment function, Add o) {
      super(function);
      this.o = o;
    }

    @Override
    public void prepare() {
      rows4("x", o.x());
      rows4("residual", o.residual());
      output("out", o.out());
    }

    @Override
    public void run(Tile tile) {
      int count = count(tile, o.rows());
      check(
          tile,
          mla_kernels.add.invoke(
              function,
              o.x().segmentFrom(tile.rowBegin()),
              o.x().stride(0),
              o.residual().segmentFrom(tile.rowBegin()),
              o.residual().stride(0),
              o.scale(),
              count,
              (int) o.x().dim(1),
              o.out().segmentFrom(tile.rowBegin()),
              o.out().stride(0),
              tile.error(),
              errorBytes(tile)));
    }
  }

  private static final class RotateTile extends NativeTile {
    private final Rotate o;
    private final MemorySegment params = mla_rope_params.allocate(Arena.ofAuto());

    RotateTile(MemorySegment function, Rotate o) {
      super(function);
      this.o = o;
    }

    @Override
    public void prepare() {
      rows4("q", o.q());
      NativeParams.angles(o.rotation(), o.rows());
      output("out", o.out());
      NativeParams.fill(params, o);
    }

    @Override
    public void run(Tile tile) {
      check(
          tile,
          mla_kernels.rope.invoke(
              function,
              params,
              o.q().segment(),
              o.rotation().cosines().segment(),
              o.rotation().sines().segment(),
              tile.rowBegin(),
              tile.rowEnd(),
              o.out().segment(),
              tile.error(),
              errorBytes(tile)));
    }
  }

  private static final class MergeTile extends NativeTile {
    private final Merge o;
    private final int heads;
    private final MemorySegment params = mla_merge_params.allocate(Arena.ofAuto());

    MergeTile(MemorySegment function, Merge o) {
      super(function);
      this.o = o;
      heads = o.heads();
    }

    @Override
    public void prepare() {
      rows4("partial_out", o.partialOut());
      rows4("partial_lse", o.partialLse());
      output("out", o.out());
      if (o.lse() != null) {
        output("lse", o.lse());
      }
      NativeParams.fill(params, o);
    }

    /** Whole tokens, or heads of one: a range that is neither takes several calls. */
    @Override
    public void run(Tile tile) {
      count(tile, o.rows());
      int row = tile.rowBegin();
      while (row < tile.rowEnd()) {
        int token = row / heads;
        int head = row % heads;
        int tokens = head == 0 ? (tile.rowEnd() - row) / heads : 0;
        int headEnd = tokens > 0 ? heads : Math.min(heads, head + tile.rowEnd() - row);
        merge(tile, token, token + Math.max(1, tokens), head, headEnd);
        row += tokens > 0 ? tokens * heads : headEnd - head;
      }
    }

    private void merge(Tile tile, int tokenBegin, int tokenEnd, int headBegin, int headEnd) {
      check(
          tile,
          mla_kernels.merge.invoke(
              function,
              params,
              o.partialOut().segment(),
              o.partialLse().segment(),
              tokenBegin,
              tokenEnd,
              headBegin,
              headEnd,
              o.out().segment(),
              orNull(o.lse()),
              tile.error(),
              errorBytes(tile)));
    }
  }

  private static final class RouteTile extends NativeTile {
    private final Route o;
    private final MemorySegment params = mla_route_params.allocate(Arena.ofAuto());

    RouteTile(MemorySegment function, Route o) {
      super(function);
      this.o = o;
    }

    @Override
    public void prepare() {
      rows4("logits", o.logits());
      optional4("bias", orNull(o.bias()), o.routing().experts());
      output("experts", o.experts());
      output("weights", o.weights());
      NativeParams.fill(params, o);
    }

    @Override
    public void run(Tile tile) {
      check(
          tile,
          mla_kernels.route.invoke(
              function,
              params,
              o.logits().segment(),
              orNull(o.bias()),
              tile.rowBegin(),
              tile.rowEnd(),
              o.experts().segment(),
              o.weights().segment(),
              tile.error(),
              errorBytes(tile)));
    }
  }

  private static final class CombineTile extends NativeTile {
    private final Combine o;

    CombineTile(MemorySegment function, Combine o) {
      super(function);
      this.o = o;
    }

    @Override
    public void prepare() {
      rows4("expertOut", o.expertOut());
      rows4("slots", o.slots());
      rows4("weights", o.weights());
      if (o.shared() != null) {
        rows4("shared", o.shared());
      }
      output("out", o.out());
    }

    @Override
    public void run(Tile tile) {
      int count = count(tile, o.rows());
      check(
          tile,
          mla_kernels.combine.invoke(
              function,
              o.expertOut().segment(),
              o.expertOut().stride(0),
              (int) o.expertOut().dim(0),
              o.slots().segmentFrom(tile.rowBegin()),
              o.weights().segmentFrom(tile.rowBegin()),
              o.shared() == null ? NULL : o.shared().segmentFrom(tile.rowBegin()),
              o.shared() == null ? 0 : o.shared().stride(0),
              count,
              o.topK(),
              (int) o.out().dim(1),
              o.out().segmentFrom(tile.rowBegin()),
              o.out().stride(0),
              tile.error(),
              errorBytes(tile)));
    }
  }
}

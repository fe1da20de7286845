package io.mla4j.ffi;

import static io.mla4j.ffi.Segments.extent;
import static io.mla4j.ffi.Segments.input4;
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

/**
 * The library's operations on rows: for each what its operands must be, and the call for some of
 * its rows. Tensors do not change: they are looked at once.
 */
final class NativeRows extends NativeTile {
  private final RowOperation operation;
  private final Call call;
  private final Operand[] operands;

  /** The downcall for {@code n} rows from {@code row} on; its status. */
  private interface Call {
    int run(MemorySegment function, int row, int n, MemorySegment error, int errorBytes);
  }

  /** What has to be looked at, or filled, before the first call. */
  private interface Operand {
    void prepare();
  }

  /** A tensor as rows: where one begins, and how far they are apart; NULL and 0 for none. */
  private record Rows(String name, Tensor tensor) implements Operand {
    @Override
    public void prepare() {
      if (tensor != null) {
        rows4(name, tensor);
      }
    }

    MemorySegment at(int row) {
      return tensor == null ? NULL : tensor.segmentFrom(row);
    }

    long stride() {
      return tensor == null ? 0 : tensor.stride(0);
    }

    int width() {
      return (int) tensor.dim(1);
    }

    /** The same as what the operation writes to. */
    Operand written() {
      return () -> {
        prepare();
        if (tensor != null) {
          output4(name, tensor.segment(), 0);
        }
      };
    }
  }

  private NativeRows(
      RowOperation operation, MemorySegment function, Call call, Operand... operands) {
    super(function);
    this.operation = operation;
    this.call = call;
    this.operands = operands;
  }

  @Override
  public void prepare() {
    for (Operand operand : operands) {
      operand.prepare();
    }
  }

  @Override
  public void run(Tile tile) {
    range("row", tile.rowBegin(), tile.rowEnd(), operation.rows());
    int count = tile.rowEnd() - tile.rowBegin();
    check(tile, call.run(function, tile.rowBegin(), count, tile.error(), errorBytes(tile)));
  }

  /** The kernel, or null where the library's interface has none for it. */
  static NativeTile bind(RowOperation operation, NativeTable table) {
    MemorySegment functions = table.segment();
    return switch (operation) {
      case Embed o -> embed(o, table.function("embed", mla_kernels.embed(functions)));
      case RmsNorm o -> rmsNorm(o, table.function("rms_norm", mla_kernels.rms_norm(functions)));
      case LayerNorm o ->
          layerNorm(o, table.function("layer_norm", mla_kernels.layer_norm(functions)));
      case SwiGlu o -> swiGlu(o, table.function("swiglu", mla_kernels.swiglu(functions)));
      case Gate o -> gate(o, table.function("gate", mla_kernels.gate(functions)));
      case Add o -> add(o, table.function("add", mla_kernels.add(functions)));
      case Rotate o -> rotate(o, table.function("rope", mla_kernels.rope(functions)));
      case Merge o -> merge(o, table.function("merge", mla_kernels.merge(functions)));
      case Route o -> route(o, table.function("route", mla_kernels.route(functions)));
      case Combine o -> combine(o, table.function("combine", mla_kernels.combine(functions)));
      default -> null;
    };
  }

  /** So many elements without gaps, where there are any. */
  private static Operand vector(String name, Tensor tensor, long elements) {
    return () -> {
      if (tensor != null) {
        input4(name, tensor.segment(), elements);
      }
    };
  }

  private static MemorySegment orNull(Tensor tensor) {
    return tensor == null ? NULL : tensor.segment();
  }

  private static NativeTile embed(Embed o, MemorySegment address) {
    Tensor table = o.table().tensor();
    MemorySegment scales = o.table().scaleSegment();
    MemorySegment params = mla_embed_params.allocate(Arena.ofAuto());
    Rows out = new Rows("out", o.out());
    return new NativeRows(
        o,
        address,
        (f, row, n, error, size) ->
            mla_kernels.embed.invoke(
                f,
                params,
                table.segment(),
                scales,
                o.ids().segmentFrom(row),
                n,
                out.at(row),
                error,
                size),
        () ->
            weight(
                "table",
                table.segment(),
                table.format(),
                extent(o.vocabulary(), table.stride(0), table.dim(1))),
        () -> Segments.scales("table", o.table()),
        vector("ids", o.ids(), o.rows()),
        out.written(),
        () -> NativeParams.fill(params, o));
  }

  private static NativeTile rmsNorm(RmsNorm o, MemorySegment address) {
    Rows x = new Rows("x", o.x());
    Rows out = new Rows("out", o.out());
    return new NativeRows(
        o,
        address,
        (f, row, n, error, size) ->
            mla_kernels.rms_norm.invoke(
                f,
                x.at(row),
                x.stride(),
                o.weight().segment(),
                o.eps(),
                n,
                x.width(),
                out.at(row),
                out.stride(),
                error,
                size),
        x,
        vector("weight", o.weight(), x.width()),
        out.written());
  }

  private static NativeTile layerNorm(LayerNorm o, MemorySegment address) {
    Rows x = new Rows("x", o.x());
    Rows out = new Rows("out", o.out());
    return new NativeRows(
        o,
        address,
        (f, row, n, error, size) ->
            mla_kernels.layer_norm.invoke(
                f,
                x.at(row),
                x.stride(),
                o.weight().segment(),
                o.bias().segment(),
                o.eps(),
                n,
                x.width(),
                out.at(row),
                out.stride(),
                error,
                size),
        x,
        vector("weight", o.weight(), x.width()),
        vector("bias", o.bias(), x.width()),
        out.written());
  }

  private static NativeTile swiGlu(SwiGlu o, MemorySegment address) {
    Rows gate = new Rows("gate", o.gate());
    Rows up = new Rows("up", o.up());
    Rows out = new Rows("out", o.out());
    return new NativeRows(
        o,
        address,
        (f, row, n, error, size) ->
            mla_kernels.swiglu.invoke(
                f,
                gate.at(row),
                gate.stride(),
                up.at(row),
                up.stride(),
                o.limit(),
                n,
                gate.width(),
                out.at(row),
                out.stride(),
                error,
                size),
        gate,
        up,
        out.written());
  }

  private static NativeTile gate(Gate o, MemorySegment address) {
    Rows x = new Rows("x", o.x());
    Rows gates = new Rows("gates", o.gates());
    Rows out = new Rows("out", o.out());
    int gated =
        switch (o.function()) {
          case IDENTITY -> Mla.MLA_GATE_IDENTITY();
          case SIGMOID -> Mla.MLA_GATE_SIGMOID();
          case RELU -> Mla.MLA_GATE_RELU();
        };
    return new NativeRows(
        o,
        address,
        (f, row, n, error, size) ->
            mla_kernels.gate.invoke(
                f,
                x.at(row),
                x.stride(),
                gates.at(row),
                gates.stride(),
                n,
                x.width(),
                gates.width(),
                gated,
                out.at(row),
                out.stride(),
                error,
                size),
        x,
        gates,
        out.written());
  }

  private static NativeTile add(Add o, MemorySegment address) {
    Rows x = new Rows("x", o.x());
    Rows residual = new Rows("residual", o.residual());
    Rows out = new Rows("out", o.out());
    return new NativeRows(
        o,
        address,
        (f, row, n, error, size) ->
            mla_kernels.add.invoke(
                f,
                x.at(row),
                x.stride(),
                residual.at(row),
                residual.stride(),
                o.scale(),
                n,
                x.width(),
                out.at(row),
                out.stride(),
                error,
                size),
        x,
        residual,
        out.written());
  }

  private static NativeTile rotate(Rotate o, MemorySegment address) {
    MemorySegment params = mla_rope_params.allocate(Arena.ofAuto());
    return new NativeRows(
        o,
        address,
        (f, row, n, error, size) ->
            mla_kernels.rope.invoke(
                f,
                params,
                o.q().segment(),
                o.rotation().cosines().segment(),
                o.rotation().sines().segment(),
                row,
                row + n,
                o.out().segment(),
                error,
                size),
        new Rows("q", o.q()),
        () -> NativeParams.angles(o.rotation(), o.rows()),
        new Rows("out", o.out()).written(),
        () -> NativeParams.fill(params, o));
  }

  private static NativeTile merge(Merge o, MemorySegment address) {
    MemorySegment params = mla_merge_params.allocate(Arena.ofAuto());
    int heads = o.heads();
    return new NativeRows(
        o,
        address,
        // whole tokens, or heads of one: a range that is neither takes several calls
        (f, row, n, error, size) -> {
          int status = Mla.MLA_OK();
          for (int at = row, end = row + n; at < end && status == Mla.MLA_OK(); ) {
            int token = at / heads;
            int head = at % heads;
            int tokens = head == 0 ? (end - at) / heads : 0;
            int headEnd = tokens > 0 ? heads : Math.min(heads, head + end - at);
            status =
                mla_kernels.merge.invoke(
                    f,
                    params,
                    o.partialOut().segment(),
                    o.partialLse().segment(),
                    token,
                    token + Math.max(1, tokens),
                    head,
                    headEnd,
                    o.out().segment(),
                    orNull(o.lse()),
                    error,
                    size);
            at += tokens > 0 ? tokens * heads : headEnd - head;
          }
          return status;
        },
        new Rows("partial_out", o.partialOut()),
        new Rows("partial_lse", o.partialLse()),
        new Rows("out", o.out()).written(),
        new Rows("lse", o.lse()).written(),
        () -> NativeParams.fill(params, o));
  }

  private static NativeTile route(Route o, MemorySegment address) {
    MemorySegment params = mla_route_params.allocate(Arena.ofAuto());
    return new NativeRows(
        o,
        address,
        (f, row, n, error, size) ->
            mla_kernels.route.invoke(
                f,
                params,
                o.logits().segment(),
                orNull(o.bias()),
                row,
                row + n,
                o.experts().segment(),
                o.weights().segment(),
                error,
                size),
        new Rows("logits", o.logits()),
        vector("bias", o.bias(), o.routing().experts()),
        new Rows("experts", o.experts()).written(),
        new Rows("weights", o.weights()).written(),
        () -> NativeParams.fill(params, o));
  }

  private static NativeTile combine(Combine o, MemorySegment address) {
    Rows expertOut = new Rows("expertOut", o.expertOut());
    Rows slots = new Rows("slots", o.slots());
    Rows weights = new Rows("weights", o.weights());
    Rows shared = new Rows("shared", o.shared());
    Rows out = new Rows("out", o.out());
    return new NativeRows(
        o,
        address,
        (f, row, n, error, size) ->
            mla_kernels.combine.invoke(
                f,
                o.expertOut().segment(),
                expertOut.stride(),
                (int) o.expertOut().dim(0),
                slots.at(row),
                weights.at(row),
                shared.at(row),
                shared.stride(),
                n,
                o.topK(),
                out.width(),
                out.at(row),
                out.stride(),
                error,
                size),
        expertOut,
        slots,
        weights,
        shared,
        out.written());
  }
}

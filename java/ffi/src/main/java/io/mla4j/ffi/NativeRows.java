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

/**
 * The library's operations on rows: for each what its operands must be, and the call for some of
 * its rows. Tensors do not change: they are looked at once.
 */
final class NativeRows extends NativeTile {
  private final RowOperation operation;
  private final Runnable operands;
  private final Call call;

  /** The downcall for {@code count} rows from {@code row} on; its status. */
  private interface Call {
    int run(MemorySegment function, int row, int count, MemorySegment error, int errorBytes);
  }

  private NativeRows(RowOperation operation, MemorySegment function, Runnable operands, Call call) {
    super(function);
    this.operation = operation;
    this.operands = operands;
    this.call = call;
  }

  @Override
  public void prepare() {
    operands.run();
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

  private static void output(String name, Tensor tensor) {
    rows4(name, tensor);
    output4(name, tensor.segment(), 0);
  }

  private static MemorySegment orNull(Tensor tensor) {
    return tensor == null ? NULL : tensor.segment();
  }

  private static NativeTile embed(Embed o, MemorySegment address) {
    Tensor table = o.table().tensor();
    MemorySegment scales = o.table().scaleSegment();
    MemorySegment params = mla_embed_params.allocate(Arena.ofAuto());
    return new NativeRows(
        o,
        address,
        () -> {
          weight(
              "table",
              table.segment(),
              table.format(),
              extent(o.vocabulary(), table.stride(0), table.dim(1)));
          Segments.scales("table", o.table());
          input4("ids", o.ids().segment(), o.rows());
          output("out", o.out());
          NativeParams.fill(params, o);
        },
        (function, row, count, error, errorBytes) ->
            mla_kernels.embed.invoke(
                function,
                params,
                table.segment(),
                scales,
                o.ids().segmentFrom(row),
                count,
                o.out().segmentFrom(row),
                error,
                errorBytes));
  }

  private static NativeTile rmsNorm(RmsNorm o, MemorySegment address) {
    return new NativeRows(
        o,
        address,
        () -> {
          rows4("x", o.x());
          input4("weight", o.weight().segment(), o.x().dim(1));
          output("out", o.out());
        },
        (function, row, count, error, errorBytes) ->
            mla_kernels.rms_norm.invoke(
                function,
                o.x().segmentFrom(row),
                o.x().stride(0),
                o.weight().segment(),
                o.eps(),
                count,
                (int) o.x().dim(1),
                o.out().segmentFrom(row),
                o.out().stride(0),
                error,
                errorBytes));
  }

  private static NativeTile layerNorm(LayerNorm o, MemorySegment address) {
    return new NativeRows(
        o,
        address,
        () -> {
          rows4("x", o.x());
          input4("weight", o.weight().segment(), o.x().dim(1));
          input4("bias", o.bias().segment(), o.x().dim(1));
          output("out", o.out());
        },
        (function, row, count, error, errorBytes) ->
            mla_kernels.layer_norm.invoke(
                function,
                o.x().segmentFrom(row),
                o.x().stride(0),
                o.weight().segment(),
                o.bias().segment(),
                o.eps(),
                count,
                (int) o.x().dim(1),
                o.out().segmentFrom(row),
                o.out().stride(0),
                error,
                errorBytes));
  }

  private static NativeTile swiGlu(SwiGlu o, MemorySegment address) {
    return new NativeRows(
        o,
        address,
        () -> {
          rows4("gate", o.gate());
          rows4("up", o.up());
          output("out", o.out());
        },
        (function, row, count, error, errorBytes) ->
            mla_kernels.swiglu.invoke(
                function,
                o.gate().segmentFrom(row),
                o.gate().stride(0),
                o.up().segmentFrom(row),
                o.up().stride(0),
                o.limit(),
                count,
                (int) o.gate().dim(1),
                o.out().segmentFrom(row),
                o.out().stride(0),
                error,
                errorBytes));
  }

  private static NativeTile gate(Gate o, MemorySegment address) {
    int gated =
        switch (o.function()) {
          case IDENTITY -> Mla.MLA_GATE_IDENTITY();
          case SIGMOID -> Mla.MLA_GATE_SIGMOID();
          case RELU -> Mla.MLA_GATE_RELU();
        };
    return new NativeRows(
        o,
        address,
        () -> {
          rows4("x", o.x());
          rows4("gates", o.gates());
          output("out", o.out());
        },
        (function, row, count, error, errorBytes) ->
            mla_kernels.gate.invoke(
                function,
                o.x().segmentFrom(row),
                o.x().stride(0),
                o.gates().segmentFrom(row),
                o.gates().stride(0),
                count,
                (int) o.x().dim(1),
                (int) o.gates().dim(1),
                gated,
                o.out().segmentFrom(row),
                o.out().stride(0),
                error,
                errorBytes));
  }

  private static NativeTile add(Add o, MemorySegment address) {
    return new NativeRows(
        o,
        address,
        () -> {
          rows4("x", o.x());
          rows4("residual", o.residual());
          output("out", o.out());
        },
        (function, row, count, error, errorBytes) ->
            mla_kernels.add.invoke(
                function,
                o.x().segmentFrom(row),
                o.x().stride(0),
                o.residual().segmentFrom(row),
                o.residual().stride(0),
                o.scale(),
                count,
                (int) o.x().dim(1),
                o.out().segmentFrom(row),
                o.out().stride(0),
                error,
                errorBytes));
  }

  private static NativeTile rotate(Rotate o, MemorySegment address) {
    MemorySegment params = mla_rope_params.allocate(Arena.ofAuto());
    return new NativeRows(
        o,
        address,
        () -> {
          rows4("q", o.q());
          NativeParams.angles(o.rotation(), o.rows());
          output("out", o.out());
          NativeParams.fill(params, o);
        },
        (function, row, count, error, errorBytes) ->
            mla_kernels.rope.invoke(
                function,
                params,
                o.q().segment(),
                o.rotation().cosines().segment(),
                o.rotation().sines().segment(),
                row,
                row + count,
                o.out().segment(),
                error,
                errorBytes));
  }

  private static NativeTile merge(Merge o, MemorySegment address) {
    MemorySegment params = mla_merge_params.allocate(Arena.ofAuto());
    int heads = o.heads();
    return new NativeRows(
        o,
        address,
        () -> {
          rows4("partial_out", o.partialOut());
          rows4("partial_lse", o.partialLse());
          output("out", o.out());
          if (o.lse() != null) {
            output("lse", o.lse());
          }
          NativeParams.fill(params, o);
        },
        // whole tokens, or heads of one: a range that is neither takes several calls
        (function, row, count, error, errorBytes) -> {
          int status = Mla.MLA_OK();
          for (int at = row, end = row + count; at < end && status == Mla.MLA_OK(); ) {
            int token = at / heads;
            int head = at % heads;
            int tokens = head == 0 ? (end - at) / heads : 0;
            int headEnd = tokens > 0 ? heads : Math.min(heads, head + end - at);
            status =
                mla_kernels.merge.invoke(
                    function,
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
                    errorBytes);
            at += tokens > 0 ? tokens * heads : headEnd - head;
          }
          return status;
        });
  }

  private static NativeTile route(Route o, MemorySegment address) {
    MemorySegment params = mla_route_params.allocate(Arena.ofAuto());
    return new NativeRows(
        o,
        address,
        () -> {
          rows4("logits", o.logits());
          optional4("bias", orNull(o.bias()), o.routing().experts());
          output("experts", o.experts());
          output("weights", o.weights());
          NativeParams.fill(params, o);
        },
        (function, row, count, error, errorBytes) ->
            mla_kernels.route.invoke(
                function,
                params,
                o.logits().segment(),
                orNull(o.bias()),
                row,
                row + count,
                o.experts().segment(),
                o.weights().segment(),
                error,
                errorBytes));
  }

  private static NativeTile combine(Combine o, MemorySegment address) {
    return new NativeRows(
        o,
        address,
        () -> {
          rows4("expertOut", o.expertOut());
          rows4("slots", o.slots());
          rows4("weights", o.weights());
          if (o.shared() != null) {
            rows4("shared", o.shared());
          }
          output("out", o.out());
        },
        (function, row, count, error, errorBytes) ->
            mla_kernels.combine.invoke(
                function,
                o.expertOut().segment(),
                o.expertOut().stride(0),
                (int) o.expertOut().dim(0),
                o.slots().segmentFrom(row),
                o.weights().segmentFrom(row),
                o.shared() == null ? NULL : o.shared().segmentFrom(row),
                o.shared() == null ? 0 : o.shared().stride(0),
                count,
                o.topK(),
                (int) o.out().dim(1),
                o.out().segmentFrom(row),
                o.out().stride(0),
                error,
                errorBytes));
  }
}

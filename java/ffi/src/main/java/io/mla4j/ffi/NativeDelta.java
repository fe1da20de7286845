package io.mla4j.ffi;

import static io.mla4j.ffi.Segments.extent;
import static io.mla4j.ffi.Segments.input4;
import static io.mla4j.ffi.Segments.optional4;
import static io.mla4j.ffi.Segments.output4;

import io.mla4j.ffi.abi.mla_delta_params;
import io.mla4j.ffi.abi.mla_kernels;
import io.mla4j.ops.AttendDelta;
import io.mla4j.ops.Tensor;
import io.mla4j.spi.DeltaTile;
import io.mla4j.spi.Tile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** The library's delta rule on the states of a sequence, prepared anew for every step. */
final class NativeDelta extends NativeTile {
  private final DeltaTile s;
  private final AttendDelta o;
  private final MemorySegment params = mla_delta_params.allocate(Arena.ofAuto());
  private MemorySegment queries = NULL;
  private MemorySegment keys = NULL;
  private MemorySegment values = NULL;
  private MemorySegment decays = NULL;
  private MemorySegment betas = NULL;
  private MemorySegment gates = NULL;
  private MemorySegment out = NULL;

  NativeDelta(NativeTable table, DeltaTile s) {
    super(table.function("attend_delta", mla_kernels.attend_delta(table.segment())));
    this.s = s;
    o = s.operation();
    long channels = o.out().dim(1);
    input4("taps", o.weights().taps().segment(), o.weights().taps().dim(0) * channels);
    input4("rates", o.weights().rates().segment(), s.state().heads());
    input4("decay_bias", o.weights().decayBias().segment(), channels);
    input4("norm", o.weights().norm().segment(), s.state().width());
    NativeParams.fill(params, o);
  }

  @Override
  public void prepare() {
    queries = rows("queries", o.inputs().queries());
    keys = rows("keys", o.inputs().keys());
    values = rows("values", o.inputs().values());
    decays = rows("decays", o.inputs().decays());
    betas = rows("betas", o.inputs().betas());
    gates = rows("gates", o.inputs().gates());
    out = rows("out", o.out());
    output4("out", out, 0);
    optional4("state_in", s.before(), s.state().elements());
    output4("state_out", s.after(), s.state().elements());
    mla_delta_params.tokens(params, s.tokens());
  }

  private MemorySegment rows(String name, Tensor tensor) {
    MemorySegment rows = tensor.segmentFrom(s.firstToken());
    input4(name, rows, extent(s.tokens(), tensor.stride(0), tensor.dim(1)));
    return rows;
  }

  @Override
  public void run(Tile tile) {
    check(
        tile,
        mla_kernels.attend_delta.invoke(
            function,
            params,
            queries,
            keys,
            values,
            decays,
            betas,
            gates,
            o.weights().taps().segment(),
            o.weights().rates().segment(),
            o.weights().decayBias().segment(),
            o.weights().norm().segment(),
            s.before(),
            tile.headBegin(),
            tile.headEnd(),
            s.after(),
            out,
            tile.error(),
            errorBytes(tile)));
  }
}

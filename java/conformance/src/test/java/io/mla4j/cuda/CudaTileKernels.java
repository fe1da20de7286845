package io.mla4j.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.mla4j.ComputeType;
import io.mla4j.cuda.CudaScratch.RebuildParams;
import io.mla4j.cuda.CudaScratch.StepParams;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Weight;
import io.mla4j.spi.AppendParams;
import io.mla4j.spi.AttentionParams;
import io.mla4j.spi.Backend;
import io.mla4j.spi.CacheParams;
import io.mla4j.spi.HeadLinearParams;
import io.mla4j.spi.LinearParams;
import io.mla4j.spi.MergeParams;
import io.mla4j.spi.RopeParams;
import io.mla4j.spi.RouteParams;
import io.mla4j.spi.TileKernels;
import io.mla4j.testkit.CudaTestLibrary;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The kernels of a CUDA device for the table of operations: each call copies its segments to the
 * device, at the same alignment and with their gaps, runs the whole operation, and copies the
 * results back, gaps included. Calls must ask for whole operations.
 */
public final class CudaTileKernels implements TileKernels, AutoCloseable {
  private final CudaDevice device;
  private final CudaKernels kernels;

  /** What {@link #pack} was given: the device takes activations as they are. */
  private MemorySegment x;

  private MemorySegment indices;

  /** On the first device of the library that is tested. */
  public CudaTileKernels() {
    device = (CudaDevice) CudaBackend.of(CudaTestLibrary.file()).open(new Backend.Options(0, null));
    kernels = device.kernels();
  }

  @Override
  public void close() {
    device.close();
  }

  /** The copies of one call. */
  private final class Call implements AutoCloseable {
    private static final int ALIGNMENT = 256;

    private final Arena arena = Arena.ofShared();

    /** By their address, so that a result over an input stays one. */
    private final Map<Long, MemorySegment> copies = new HashMap<>();

    final MemorySegment stream = device.stream();

    MemorySegment copy(MemorySegment host) {
      if (host.address() == 0) {
        return MemorySegment.NULL;
      }
      MemorySegment there = copies.computeIfAbsent(host.address(), _ -> upload(host));
      assertEquals(host.byteSize(), there.byteSize());
      return device.resolve("copy", there);
    }

    private MemorySegment upload(MemorySegment host) {
      long shift = host.address() % ALIGNMENT;
      MemorySegment there =
          device.memory().allocate(host.byteSize() + shift, arena).asSlice(shift, host.byteSize());
      device.copy(host, 0, there, 0, host.byteSize());
      return there;
    }

    /** A weight as the device multiplies it exactly: F16 becomes F32. */
    MemorySegment weight(StorageFormat type, MemorySegment host) {
      if (type != StorageFormat.F16) {
        return copy(host);
      }
      Tensor all = Tensor.of(host, type, 1, host.byteSize() / type.blockBytes());
      Weight placed = device.place(List.of(Weight.of(all)), ComputeType.F32, arena).getFirst();
      return device.resolve("weight", placed.tensor().segment());
    }

    MemorySegment bytes(long bytes) {
      return device.resolve("bytes", device.memory().allocate(bytes, arena));
    }

    /** Writes back what the device made of the copies. */
    void results(MemorySegment... hosts) {
      for (MemorySegment host : hosts) {
        if (host.byteSize() > 0) {
          device.copy(copies.get(host.address()), 0, host, 0, host.byteSize());
        }
      }
    }

    @Override
    public void close() {
      arena.close();
    }
  }

  private static void requireWhole(int begin, int end, int count) {
    assertEquals("0.." + count, begin + ".." + end);
  }

  private static StorageFormat typeOf(StorageFormat stored) {
    return stored == StorageFormat.F16 ? StorageFormat.F32 : stored;
  }

  @Override
  public String isa() {
    return device.isa();
  }

  @Override
  public boolean prefersBf16() {
    return true;
  }

  @Override
  public long packedBytes(LinearParams params) {
    return 0;
  }

  @Override
  public void pack(
      LinearParams params,
      MemorySegment x,
      MemorySegment indices,
      int rowBegin,
      int rowEnd,
      MemorySegment packed) {
    requireWhole(rowBegin, rowEnd, params.rows());
    this.x = x;
    this.indices = indices;
  }

  /** Gathered rows are those of one expert, whose results get no bias. */
  @Override
  public void linear(
      LinearParams p,
      MemorySegment packed,
      MemorySegment weight,
      MemorySegment scales,
      MemorySegment bias,
      int nBegin,
      int nEnd,
      MemorySegment y) {
    requireWhole(nBegin, nEnd, p.n());
    LinearParams params =
        new LinearParams(
            p.compute(),
            typeOf(p.weightType()),
            p.rows(),
            p.k(),
            p.n(),
            0,
            0,
            p.xStride(),
            p.weightStride(),
            p.yStride());
    try (Call call = new Call()) {
      MemorySegment w = call.weight(p.weightType(), weight);
      if (indices.address() == 0) {
        kernels.linear(call.stream, params, call.copy(x), w, call.copy(bias), call.copy(y));
      } else {
        MemorySegment chosen = call.bytes(4L * p.rows());
        kernels.fill(call.stream, chosen, 0, 4L * p.rows());
        MemorySegment groups = call.bytes(kernels.groupBytes(p.rows(), 1, params));
        MemorySegment unused = call.bytes(4L * p.rows());
        kernels.group(call.stream, chosen, p.rows(), 1, 1, params, unused, unused, groups);
        kernels.groupedLinear(
            call.stream, params, 1, 0, call.copy(x), call.copy(indices), groups, w, call.copy(y));
      }
      call.results(y);
    }
    for (int i = 0; indices.address() != 0 && bias.address() != 0 && i < p.rows() * p.n(); i++) {
      long at = 4 * (i / p.n() * p.yStride() + i % p.n());
      float sum =
          y.get(ValueLayout.JAVA_FLOAT_UNALIGNED, at)
              + bias.get(ValueLayout.JAVA_FLOAT_UNALIGNED, 4L * (i % p.n()));
      y.set(ValueLayout.JAVA_FLOAT_UNALIGNED, at, sum);
    }
  }

  @Override
  public void headLinear(
      HeadLinearParams p,
      MemorySegment x,
      MemorySegment weight,
      MemorySegment scales,
      int headBegin,
      int headEnd,
      int tokenBegin,
      int tokenEnd,
      MemorySegment y) {
    requireWhole(headBegin, headEnd, p.heads());
    requireWhole(tokenBegin, tokenEnd, p.tokens());
    HeadLinearParams params =
        new HeadLinearParams(
            p.compute(),
            typeOf(p.weightType()),
            p.tokens(),
            p.heads(),
            p.in(),
            p.out(),
            p.transposed(),
            0,
            0,
            p.xTokenStride(),
            p.xHeadStride(),
            p.yTokenStride(),
            p.yHeadStride(),
            p.weightHeadStride(),
            p.weightStride());
    try (Call call = new Call()) {
      MemorySegment w = call.weight(p.weightType(), weight);
      kernels.headLinear(call.stream, params, call.copy(x), w, call.copy(y));
      call.results(y);
    }
  }

  @Override
  public long attentionWorkspace(
      AttentionParams params, CacheParams cacheParams, boolean decompressed) {
    return 0;
  }

  @Override
  public void attendAbsorbed(
      AttentionParams p,
      CacheParams cacheParams,
      MemorySegment q,
      MemorySegment cache,
      MemorySegment pageTable,
      MemorySegment alibiSlopes,
      int headBegin,
      int headEnd,
      int queryBegin,
      int queryEnd,
      int kvBegin,
      int kvEnd,
      MemorySegment out,
      MemorySegment lse,
      MemorySegment workspace) {
    requireWhole(headBegin, headEnd, p.heads());
    requireWhole(queryBegin, queryEnd, p.queryTokens());
    requireWhole(kvBegin, kvEnd, p.kvTokens());
    if (p.queryTokens() == 0) {
      return;
    }
    try (Call call = new Call()) {
      StepParams params = step(p, 0, pageTable);
      params = step(p, kernels.splits(params, p.queryTokens(), p.kvTokens()), pageTable);
      MemorySegment plan = plan(call, params, p);
      MemorySegment space = call.bytes(kernels.attentionWorkspace(params, cacheParams));
      kernels.attendAbsorbed(
          call.stream,
          params,
          cacheParams,
          plan,
          call.copy(q),
          call.copy(cache),
          call.copy(pageTable),
          call.copy(alibiSlopes),
          call.copy(out),
          call.copy(lse),
          space);
      call.results(out, lse);
    }
  }

  private StepParams step(AttentionParams p, int splits, MemorySegment pageTable) {
    CudaKernels.Info info = device.info();
    return new StepParams(
        p.compute(),
        p.heads(),
        1,
        p.queryTokens(),
        p.queryTokens(),
        splits,
        (int) (pageTable.byteSize() / 4),
        info.multiprocessors(),
        info.sharedBytes(),
        p.scale(),
        p.qTokenStride(),
        p.qHeadStride(),
        p.outTokenStride(),
        p.outHeadStride(),
        p.lseTokenStride(),
        p.lseHeadStride());
  }

  private MemorySegment plan(Call call, StepParams params, AttentionParams p) {
    try (Arena host = Arena.ofConfined()) {
      MemorySegment begin = host.allocateFrom(ValueLayout.JAVA_INT, 0, p.queryTokens());
      MemorySegment kv = host.allocateFrom(ValueLayout.JAVA_INT, p.kvTokens());
      MemorySegment plan = host.allocate(kernels.planBytes(params), 64);
      kernels.makePlan(params, 1, begin, kv, plan);
      return call.copy(plan);
    }
  }

  @Override
  public void attendDecompressed(
      AttentionParams p,
      CacheParams cacheParams,
      MemorySegment q,
      MemorySegment kvB,
      MemorySegment kvBScales,
      MemorySegment cache,
      MemorySegment pageTable,
      MemorySegment alibiSlopes,
      int headBegin,
      int headEnd,
      int queryBegin,
      int queryEnd,
      MemorySegment out,
      MemorySegment lse,
      MemorySegment workspace) {
    requireWhole(headBegin, headEnd, p.heads());
    requireWhole(queryBegin, queryEnd, p.queryTokens());
    if (p.queryTokens() == 0) {
      return;
    }
    RebuildParams rebuild =
        new RebuildParams(
            p.nope(), p.value(), typeOf(p.weightType()), p.weightHeadStride(), p.weightStride());
    try (Call call = new Call()) {
      StepParams params = step(p, 0, pageTable);
      params = step(p, kernels.splits(params, p.queryTokens(), p.kvTokens()), pageTable);
      MemorySegment plan = plan(call, params, p);
      MemorySegment space = call.bytes(kernels.decompressedWorkspace(params, rebuild, cacheParams));
      kernels.attendDecompressed(
          call.stream,
          params,
          rebuild,
          cacheParams,
          plan,
          p.kvTokens(),
          call.copy(q),
          call.weight(p.weightType(), kvB),
          call.copy(cache),
          call.copy(pageTable),
          call.copy(alibiSlopes),
          call.copy(out),
          call.copy(lse),
          space);
      call.results(out, lse);
    }
  }

  @Override
  public void merge(
      MergeParams params,
      MemorySegment partialOut,
      MemorySegment partialLse,
      int tokenBegin,
      int tokenEnd,
      int headBegin,
      int headEnd,
      MemorySegment out,
      MemorySegment lse) {
    requireWhole(tokenBegin, tokenEnd, params.tokens());
    requireWhole(headBegin, headEnd, params.heads());
    try (Call call = new Call()) {
      kernels.merge(
          call.stream,
          params,
          call.copy(partialOut),
          call.copy(partialLse),
          call.copy(out),
          call.copy(lse));
      call.results(out, lse);
    }
  }

  @Override
  public void append(
      AppendParams params,
      CacheParams cacheParams,
      MemorySegment a,
      MemorySegment normWeight,
      MemorySegment cosines,
      MemorySegment sines,
      MemorySegment pageTable,
      int tokenBegin,
      int tokenEnd,
      MemorySegment cache) {
    requireWhole(tokenBegin, tokenEnd, params.tokens());
    try (Call call = new Call();
        Arena host = Arena.ofConfined()) {
      MemorySegment slots = host.allocate(ValueLayout.JAVA_INT, params.tokens());
      for (int t = 0; t < params.tokens(); t++) {
        int s = params.position() + t;
        int page = pageTable.getAtIndex(ValueLayout.JAVA_INT_UNALIGNED, s / cacheParams.pageSize());
        int slot = page * cacheParams.pageSize() + s % cacheParams.pageSize();
        slots.setAtIndex(ValueLayout.JAVA_INT, t, slot);
      }
      kernels.append(
          call.stream,
          params,
          cacheParams,
          call.copy(a),
          call.copy(normWeight),
          call.copy(cosines),
          call.copy(sines),
          call.copy(slots),
          call.copy(cache));
      call.results(cache);
    }
  }

  @Override
  public void rope(
      RopeParams params,
      MemorySegment x,
      MemorySegment cosines,
      MemorySegment sines,
      int tokenBegin,
      int tokenEnd,
      MemorySegment y) {
    requireWhole(tokenBegin, tokenEnd, params.tokens());
    try (Call call = new Call()) {
      kernels.rope(
          call.stream, params, call.copy(x), call.copy(cosines), call.copy(sines), call.copy(y));
      call.results(y);
    }
  }

  @Override
  public void rmsNorm(
      MemorySegment x,
      long xStride,
      MemorySegment weight,
      float eps,
      int rows,
      int width,
      MemorySegment y,
      long yStride) {
    try (Call call = new Call()) {
      kernels.rmsNorm(
          call.stream,
          call.copy(x),
          xStride,
          call.copy(weight),
          eps,
          rows,
          width,
          call.copy(y),
          yStride);
      call.results(y);
    }
  }

  @Override
  public void swiglu(
      MemorySegment gate,
      long gateStride,
      MemorySegment up,
      long upStride,
      int rows,
      int width,
      MemorySegment y,
      long yStride) {
    try (Call call = new Call()) {
      kernels.swiglu(
          call.stream,
          call.copy(gate),
          gateStride,
          call.copy(up),
          upStride,
          rows,
          width,
          call.copy(y),
          yStride);
      call.results(y);
    }
  }

  @Override
  public void add(
      MemorySegment x,
      long xStride,
      MemorySegment r,
      long rStride,
      float scale,
      int rows,
      int width,
      MemorySegment y,
      long yStride) {
    try (Call call = new Call()) {
      kernels.add(
          call.stream,
          call.copy(x),
          xStride,
          call.copy(r),
          rStride,
          scale,
          rows,
          width,
          call.copy(y),
          yStride);
      call.results(y);
    }
  }

  @Override
  public void embed(
      StorageFormat tableType,
      MemorySegment table,
      long tableStride,
      int vocabulary,
      MemorySegment ids,
      int count,
      int width,
      float scale,
      MemorySegment y,
      long yStride) {
    try (Call call = new Call()) {
      kernels.embed(
          call.stream,
          typeOf(tableType),
          call.weight(tableType, table),
          tableStride,
          vocabulary,
          call.copy(ids),
          count,
          width,
          scale,
          call.copy(y),
          yStride);
      call.results(y);
    }
  }

  @Override
  public void route(
      RouteParams params,
      MemorySegment logits,
      MemorySegment bias,
      int tokenBegin,
      int tokenEnd,
      MemorySegment expertsOut,
      MemorySegment weightsOut) {
    requireWhole(tokenBegin, tokenEnd, params.tokens());
    try (Call call = new Call()) {
      kernels.route(
          call.stream,
          params,
          call.copy(logits),
          call.copy(bias),
          call.copy(expertsOut),
          call.copy(weightsOut));
      call.results(expertsOut, weightsOut);
    }
  }

  @Override
  public void combine(
      MemorySegment expertOut,
      long expertOutStride,
      int slotCount,
      MemorySegment slots,
      MemorySegment weights,
      MemorySegment shared,
      long sharedStride,
      int tokens,
      int topK,
      int width,
      MemorySegment y,
      long yStride) {
    try (Call call = new Call()) {
      kernels.combine(
          call.stream,
          call.copy(expertOut),
          expertOutStride,
          slotCount,
          call.copy(slots),
          call.copy(weights),
          call.copy(shared),
          sharedStride,
          tokens,
          topK,
          width,
          call.copy(y),
          yStride);
      call.results(y);
    }
  }
}

package io.mla4j.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.mla4j.AttentionForm;
import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.MlaShape;
import io.mla4j.device.KernelOperation.AttendDecompressed;
import io.mla4j.device.KernelOperation.Combine;
import io.mla4j.device.KernelOperation.Group;
import io.mla4j.device.KernelOperation.GroupedMatMul;
import io.mla4j.device.KernelOperation.Groups;
import io.mla4j.device.KernelOperation.HeadMatMul;
import io.mla4j.device.KernelOperation.MatMul;
import io.mla4j.device.KernelOperation.Route;
import io.mla4j.device.KernelOperation.SwiGlu;
import io.mla4j.ops.Add;
import io.mla4j.ops.AppendLatent;
import io.mla4j.ops.Attend;
import io.mla4j.ops.AttendAbsorbed;
import io.mla4j.ops.AttentionScore;
import io.mla4j.ops.Embed;
import io.mla4j.ops.Merge;
import io.mla4j.ops.Operation;
import io.mla4j.ops.RmsNorm;
import io.mla4j.ops.RopeLayout;
import io.mla4j.ops.Rotate;
import io.mla4j.ops.Rotation;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
import io.mla4j.spi.AppendParams;
import io.mla4j.spi.AttentionParams;
import io.mla4j.spi.Backend;
import io.mla4j.spi.CacheParams;
import io.mla4j.spi.HeadLinearParams;
import io.mla4j.spi.LinearParams;
import io.mla4j.spi.MergeParams;
import io.mla4j.spi.PagedView;
import io.mla4j.spi.RopeParams;
import io.mla4j.spi.RouteParams;
import io.mla4j.spi.TileKernels;
import io.mla4j.testkit.CudaTestLibrary;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The operations of a CUDA device for the table of operations: each call copies its segments to the
 * device, at the same alignment and with their gaps, runs the whole operation, and copies the
 * results back, gaps included. Calls must ask for whole operations.
 */
public final class CudaTileKernels implements TileKernels, AutoCloseable {
  private final Device device =
      CudaBackend.of(CudaTestLibrary.file()).open(new Backend.Options(0, null));

  /** What {@link #pack} was given: the device takes activations as they are. */
  private MemorySegment x;

  private MemorySegment indices;

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

    MemorySegment copy(MemorySegment host) {
      MemorySegment there = copies.computeIfAbsent(host.address(), _ -> upload(host));
      assertEquals(host.byteSize(), there.byteSize());
      return there;
    }

    private MemorySegment upload(MemorySegment host) {
      long shift = host.address() % ALIGNMENT;
      MemorySegment there =
          device.allocate(host.byteSize() + shift, arena).asSlice(shift, host.byteSize());
      device.copy(host, 0, there, 0, host.byteSize());
      return there;
    }

    /** Null of NULL. */
    Tensor tensor(MemorySegment host, StorageFormat type, long... shape) {
      return host.address() == 0 ? null : Tensor.of(copy(host), type, shape);
    }

    Tensor rows(MemorySegment host, long rows, long width, long stride) {
      return host.address() == 0
          ? null
          : Tensor.strided(
              copy(host), StorageFormat.F32, new long[] {rows, width}, new long[] {stride, 1});
    }

    Tensor heads(MemorySegment host, long[] shape, long... strides) {
      if (host.address() == 0) {
        return null;
      }
      long[] all = Arrays.copyOf(strides, strides.length + 1);
      all[strides.length] = 1;
      return Tensor.strided(copy(host), StorageFormat.F32, shape, all);
    }

    /** A weight as the device multiplies it exactly: F16 becomes F32. */
    Tensor weight(StorageFormat type, MemorySegment host, long[] shape, long... strides) {
      MemorySegment there = host;
      StorageFormat kept = type;
      if (type == StorageFormat.F16) {
        Tensor all = Tensor.of(host, type, 1, host.byteSize() / type.bytes(1));
        there =
            device
                .place(List.of(Weight.of(all)), ComputeType.F32, arena)
                .getFirst()
                .tensor()
                .segment();
        kept = StorageFormat.F32;
      } else {
        there = copy(host);
      }
      return Tensor.strided(there, kept, shape, strides);
    }

    MemorySegment bytes(long bytes) {
      return device.allocate(bytes, arena);
    }

    void run(Operation operation, MemorySegment... results) {
      device.run(operation);
      results(results);
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
    try (Call call = new Call()) {
      Tensor out = call.rows(y, p.rows(), p.n(), p.yStride());
      if (indices.address() == 0) {
        Tensor w =
            call.weight(p.weightType(), weight, new long[] {p.n(), p.k()}, p.weightStride(), 1);
        Tensor in = call.rows(x, p.rows(), p.k(), p.xStride());
        Tensor b = call.tensor(bias, StorageFormat.F32, p.n());
        call.run(new MatMul(in, w, b, p.compute(), out), y);
      } else {
        long[] shape = {1, p.n(), p.k()};
        Tensor w = call.weight(p.weightType(), weight, shape, 0, p.weightStride(), 1);
        long rows = (x.byteSize() / 4 - p.k()) / Math.max(1, p.xStride()) + 1;
        Tensor in = call.rows(x, rows, p.k(), p.xStride());
        Tensor chosen = Tensor.of(call.bytes(4L * p.rows()), StorageFormat.I32, p.rows(), 1);
        Tensor unused = Tensor.of(call.bytes(4L * p.rows()), StorageFormat.I32, p.rows());
        MemorySegment tiles = call.bytes(16L * (p.rows() + 4));
        Groups groups = new Groups(1, w.format(), p.compute(), unused, unused, tiles);
        device.run(new Group(chosen, groups));
        Tensor of = call.tensor(indices, StorageFormat.I32, p.rows());
        call.run(new GroupedMatMul(in, of, w, groups, out), y);
      }
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
    long[] of = {p.heads(), p.transposed() ? p.in() : p.out(), p.transposed() ? p.out() : p.in()};
    try (Call call = new Call()) {
      Tensor w = call.weight(p.weightType(), weight, of, p.weightHeadStride(), p.weightStride(), 1);
      long[] in = {p.tokens(), p.heads(), p.in()};
      long[] out = {p.tokens(), p.heads(), p.out()};
      call.run(
          new HeadMatMul(
              call.heads(x, in, p.xTokenStride(), p.xHeadStride()),
              w,
              p.transposed(),
              p.compute(),
              call.heads(y, out, p.yTokenStride(), p.yHeadStride())),
          y);
    }
  }

  @Override
  public long attentionWorkspace(
      AttentionParams params, CacheParams cacheParams, boolean decompressed) {
    return 0;
  }

  /** One sequence, all of whose tokens are in the cache. */
  private record OneSequence(
      MlaShape shape,
      AttentionForm form,
      int queries,
      int kv,
      CacheParams cacheParams,
      MemorySegment pages,
      MemorySegment cache)
      implements PagedView {
    @Override
    public int tokens() {
      return queries;
    }

    @Override
    public int sequences() {
      return 1;
    }

    @Override
    public int firstToken(int i) {
      return 0;
    }

    @Override
    public int queryTokens(int i) {
      return queries;
    }

    @Override
    public int kvTokens(int i) {
      return kv;
    }

    @Override
    public MemorySegment pageTable(int i) {
      return pages;
    }

    @Override
    public AttentionForm form(int i) {
      return form;
    }

    @Override
    public int splitLength(int i) {
      return Math.max(1, kv);
    }

    @Override
    public Lease acquire() {
      return () -> {};
    }

    @Override
    public int layers() {
      return 1;
    }

    @Override
    public MemorySegment layerBase(int layer) {
      return cache;
    }
  }

  private static AttentionScore score(Call call, AttentionParams p, MemorySegment slopes) {
    return new AttentionScore(p.scale(), call.tensor(slopes, StorageFormat.F32, p.heads()));
  }

  @Override
  public void attendAbsorbed(
      AttentionParams p,
      CacheParams c,
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
    int latent = c.layout().latent();
    MlaShape shape = new MlaShape(p.heads(), latent, c.layout().rope(), 1, 1);
    long n = p.queryTokens();
    try (Call call = new Call()) {
      Tensor sums =
          lse.address() == 0
              ? null
              : gathered(
                  call, lse, new long[] {n, p.heads()}, p.lseTokenStride(), p.lseHeadStride());
      device.run(
          new AttendAbsorbed(
              0,
              call.heads(
                  q, new long[] {n, p.heads(), shape.cached()}, p.qTokenStride(), p.qHeadStride()),
              score(call, p, alibiSlopes),
              p.compute(),
              call.heads(
                  out, new long[] {n, p.heads(), latent}, p.outTokenStride(), p.outHeadStride()),
              sums),
          view(call, shape, AttentionForm.ABSORBED, p, c, pageTable, cache));
      call.results(out);
      if (sums != null) {
        scatter(sums, lse, p.lseTokenStride(), p.lseHeadStride());
      }
    }
  }

  /** A contiguous tensor of what lies (rows, heads) with strides, which a tensor cannot have. */
  private Tensor gathered(Call call, MemorySegment host, long[] shape, long... strides) {
    long[] all = Arrays.copyOf(new long[] {1, 1, 1}, 3);
    long[] by = new long[3];
    System.arraycopy(shape, 0, all, 3 - shape.length, shape.length);
    System.arraycopy(strides, 0, by, 3 - strides.length, strides.length);
    MemorySegment packed = call.arena.allocate(4 * all[0] * all[1] * all[2], 4);
    long to = 0;
    for (long i = 0; i < all[0]; i++) {
      for (long j = 0; j < all[1]; j++) {
        for (long k = 0; k < all[2]; k++) {
          long at = 4 * (i * by[0] + j * by[1] + k * by[2]);
          MemorySegment.copy(host, at, packed, to, 4);
          to += 4;
        }
      }
    }
    return call.tensor(packed, StorageFormat.F32, shape);
  }

  /** The other way. */
  private void scatter(Tensor from, MemorySegment host, long rowStride, long headStride) {
    float[] numbers = new float[(int) (from.dim(0) * from.dim(1))];
    MemorySegment packed = MemorySegment.ofArray(numbers);
    device.copy(from.segment(), 0, packed, 0, packed.byteSize());
    for (int i = 0; i < numbers.length; i++) {
      long at = i / from.dim(1) * rowStride + i % from.dim(1) * headStride;
      host.set(ValueLayout.JAVA_FLOAT_UNALIGNED, 4 * at, numbers[i]);
    }
  }

  private static OneSequence view(
      Call call,
      MlaShape shape,
      AttentionForm form,
      AttentionParams p,
      CacheParams c,
      MemorySegment pageTable,
      MemorySegment cache) {
    return new OneSequence(
        shape, form, p.queryTokens(), p.kvTokens(), c, pageTable, call.copy(cache));
  }

  @Override
  public void attendDecompressed(
      AttentionParams p,
      CacheParams c,
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
    MlaShape shape =
        new MlaShape(p.heads(), c.layout().latent(), c.layout().rope(), p.nope(), p.value());
    long n = p.queryTokens();
    // A weight has no gaps between heads.
    long rows = p.nope() + p.value();
    long headBytes =
        ((rows - 1) * p.weightStride() + c.layout().latent()) * p.weightType().bytes(1);
    long spacing = rows * p.weightStride() * p.weightType().bytes(1);
    try (Call call = new Call()) {
      MemorySegment weight = call.arena.allocate(p.heads() * spacing, 64);
      for (int h = 0; h < p.heads(); h++) {
        long at = h * p.weightHeadStride() * p.weightType().bytes(1);
        MemorySegment.copy(kvB, at, weight, h * spacing, headBytes);
      }
      long[] of = {p.heads() * rows, c.layout().latent()};
      Weight w = Weight.of(call.weight(p.weightType(), weight, of, p.weightStride(), 1));
      Tensor queries =
          call.heads(
              q, new long[] {n, p.heads(), shape.query()}, p.qTokenStride(), p.qHeadStride());
      AttentionScore score = score(call, p, alibiSlopes);
      OneSequence view = view(call, shape, AttentionForm.DECOMPRESSED, p, c, pageTable, cache);
      Tensor sums =
          lse.address() == 0
              ? null
              : gathered(
                  call, lse, new long[] {n, p.heads()}, p.lseTokenStride(), p.lseHeadStride());
      long[] outShape = {n, p.heads(), p.value()};
      Attend attend =
          new Attend(
              0,
              shape,
              queries,
              w,
              score,
              p.compute(),
              call.heads(out, outShape, p.outTokenStride(), p.outHeadStride()));
      device.run(new AttendDecompressed(attend, sums), view);
      call.results(out);
      if (sums != null) {
        scatter(sums, lse, p.lseTokenStride(), p.lseHeadStride());
      }
    }
  }

  @Override
  public void merge(
      MergeParams p,
      MemorySegment partialOut,
      MemorySegment partialLse,
      int tokenBegin,
      int tokenEnd,
      int headBegin,
      int headEnd,
      MemorySegment out,
      MemorySegment lse) {
    requireWhole(tokenBegin, tokenEnd, p.tokens());
    requireWhole(headBegin, headEnd, p.heads());
    try (Call call = new Call()) {
      Tensor sums =
          lse.address() == 0
              ? null
              : gathered(
                  call,
                  lse,
                  new long[] {p.tokens(), p.heads()},
                  p.lseTokenStride(),
                  p.lseHeadStride());
      call.run(
          new Merge(
              call.heads(
                  partialOut,
                  new long[] {p.parts(), p.tokens(), p.heads(), p.width()},
                  p.partStride(),
                  p.partTokenStride(),
                  p.partHeadStride()),
              gathered(
                  call,
                  partialLse,
                  new long[] {p.parts(), p.tokens(), p.heads()},
                  p.partLseStride(),
                  p.partLseTokenStride(),
                  p.partLseHeadStride()),
              call.heads(
                  out,
                  new long[] {p.tokens(), p.heads(), p.width()},
                  p.outTokenStride(),
                  p.outHeadStride()),
              sums),
          out);
      if (sums != null) {
        scatter(sums, lse, p.lseTokenStride(), p.lseHeadStride());
      }
    }
  }

  private static Rotation rotation(
      Call call, MemorySegment cosines, MemorySegment sines, long n, int rope, RopeLayout layout) {
    Tensor none = Tensor.of(MemorySegment.NULL, StorageFormat.F32, n, 0);
    return rope == 0
        ? new Rotation(none, none, layout)
        : new Rotation(
            call.tensor(cosines, StorageFormat.F32, n, rope / 2),
            call.tensor(sines, StorageFormat.F32, n, rope / 2),
            layout);
  }

  @Override
  public void append(
      AppendParams p,
      CacheParams c,
      MemorySegment a,
      MemorySegment normWeight,
      MemorySegment cosines,
      MemorySegment sines,
      MemorySegment pageTable,
      int tokenBegin,
      int tokenEnd,
      MemorySegment cache) {
    requireWhole(tokenBegin, tokenEnd, p.tokens());
    MlaShape shape = new MlaShape(1, c.layout().latent(), c.layout().rope(), 1, 1);
    try (Call call = new Call()) {
      OneSequence view =
          new OneSequence(
              shape,
              AttentionForm.ABSORBED,
              p.tokens(),
              p.position() + p.tokens(),
              c,
              pageTable,
              call.copy(cache));
      device.run(
          new AppendLatent(
              0,
              call.rows(a, p.tokens(), shape.cached(), p.aStride()),
              call.tensor(normWeight, StorageFormat.F32, shape.latent()),
              p.eps(),
              rotation(call, cosines, sines, p.tokens(), shape.rope(), p.ropeLayout())),
          view);
      call.results(cache);
    }
  }

  @Override
  public void rope(
      RopeParams p,
      MemorySegment x,
      MemorySegment cosines,
      MemorySegment sines,
      int tokenBegin,
      int tokenEnd,
      MemorySegment y) {
    requireWhole(tokenBegin, tokenEnd, p.tokens());
    long[] shape = {p.tokens(), p.heads(), p.width()};
    try (Call call = new Call()) {
      call.run(
          new Rotate(
              call.heads(x, shape, p.xTokenStride(), p.xHeadStride()),
              rotation(call, cosines, sines, p.tokens(), p.rope(), p.ropeLayout()),
              call.heads(y, shape, p.yTokenStride(), p.yHeadStride())),
          y);
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
      call.run(
          new RmsNorm(
              call.rows(x, rows, width, xStride),
              call.tensor(weight, StorageFormat.F32, width),
              eps,
              call.rows(y, rows, width, yStride)),
          y);
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
      call.run(
          new SwiGlu(
              call.rows(gate, rows, width, gateStride),
              call.rows(up, rows, width, upStride),
              call.rows(y, rows, width, yStride)),
          y);
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
      call.run(
          new Add(
              call.rows(x, rows, width, xStride),
              call.rows(r, rows, width, rStride),
              scale,
              call.rows(y, rows, width, yStride)),
          y);
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
      Tensor rows = call.weight(tableType, table, new long[] {vocabulary, width}, tableStride, 1);
      call.run(
          new Embed(
              Weight.of(rows),
              call.tensor(ids, StorageFormat.I32, count),
              scale,
              call.rows(y, count, width, yStride)),
          y);
    }
  }

  @Override
  public void route(
      RouteParams p,
      MemorySegment logits,
      MemorySegment bias,
      int tokenBegin,
      int tokenEnd,
      MemorySegment expertsOut,
      MemorySegment weightsOut) {
    requireWhole(tokenBegin, tokenEnd, p.tokens());
    long topK = p.routing().topK();
    try (Call call = new Call()) {
      call.run(
          new Route(
              p.routing(),
              call.rows(logits, p.tokens(), p.routing().experts(), p.logitsStride()),
              call.tensor(bias, StorageFormat.F32, p.routing().experts()),
              call.tensor(expertsOut, StorageFormat.I32, p.tokens(), topK),
              call.tensor(weightsOut, StorageFormat.F32, p.tokens(), topK)),
          expertsOut,
          weightsOut);
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
      call.run(
          new Combine(
              call.rows(expertOut, slotCount, width, expertOutStride),
              call.tensor(slots, StorageFormat.I32, tokens, topK),
              call.tensor(weights, StorageFormat.F32, tokens, topK),
              call.rows(shared, tokens, width, sharedStride),
              call.rows(y, tokens, width, yStride)),
          y);
    }
  }
}

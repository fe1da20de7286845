package io.mla4j.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.mla4j.AttentionForm;
import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.LatentLayout;
import io.mla4j.MlaShape;
import io.mla4j.StateLayout;
import io.mla4j.device.KernelOperation.AttendDecompressed;
import io.mla4j.device.KernelOperation.Group;
import io.mla4j.device.KernelOperation.GroupedMatMul;
import io.mla4j.device.KernelOperation.Groups;
import io.mla4j.device.KernelOperation.HeadMatMul;
import io.mla4j.device.KernelOperation.MatMul;
import io.mla4j.device.PlainWeights;
import io.mla4j.ops.Absorb;
import io.mla4j.ops.Add;
import io.mla4j.ops.AppendLatent;
import io.mla4j.ops.Attend;
import io.mla4j.ops.AttendAbsorbed;
import io.mla4j.ops.AttentionScore;
import io.mla4j.ops.Combine;
import io.mla4j.ops.Embed;
import io.mla4j.ops.Expand;
import io.mla4j.ops.LatentUp;
import io.mla4j.ops.Merge;
import io.mla4j.ops.Operation;
import io.mla4j.ops.RmsNorm;
import io.mla4j.ops.Rotate;
import io.mla4j.ops.Rotation;
import io.mla4j.ops.Route;
import io.mla4j.ops.RowOperation;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.SwiGlu;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
import io.mla4j.spi.AppendTile;
import io.mla4j.spi.AttentionTile;
import io.mla4j.spi.Backend;
import io.mla4j.spi.CachePages;
import io.mla4j.spi.CacheParams;
import io.mla4j.spi.HeadProduct;
import io.mla4j.spi.Kernels;
import io.mla4j.spi.MatrixProduct;
import io.mla4j.spi.Multiply;
import io.mla4j.spi.Pack;
import io.mla4j.spi.PagedView;
import io.mla4j.spi.Tile;
import io.mla4j.spi.TileKernel;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The operations of a CUDA device for the table of operations: each call copies its tensors to the
 * device, at the same alignment and with their gaps, runs the whole operation, and copies the
 * results back, gaps included. Tiles must ask for whole operations.
 */
public final class CudaTileKernels implements Kernels, AutoCloseable {
  private final Device device =
      CudaBackend.of(CudaTestLibrary.file()).open(new Backend.Options(0, null));

  @Override
  public void close() {
    device.close();
  }

  @Override
  public String isa() {
    return device.isa();
  }

  @Override
  public TileKernel bind(Operation operation) {
    return tile -> {
      try (Call call = new Call()) {
        run(call, operation, tile);
      }
    };
  }

  private void run(Call call, Operation operation, Tile tile) {
    switch (operation) {
      case RowOperation o -> {
        requireWhole(tile.rowBegin(), tile.rowEnd(), o.rows());
        device.run(there(call, o));
        call.results();
      }
      case Pack _ -> {} // the device takes activations as they are
      case Multiply o -> multiply(call, o.product(), tile);
      case Absorb o -> multiply(call, HeadProduct.of(o), tile);
      case Expand o -> multiply(call, HeadProduct.of(o), tile);
      case AppendTile o -> append(call, o, tile);
      case AttentionTile o -> attend(call, o, tile);
      default -> throw new AssertionError(operation.name());
    }
  }

  private static RowOperation there(Call call, RowOperation operation) {
    return switch (operation) {
      case Embed o ->
          new Embed(
              Weight.of(call.weight(o.table().tensor())),
              call.in(o.ids()),
              o.scale(),
              call.out(o.out()));
      case RmsNorm o ->
          new RmsNorm(call.in(o.x()), call.in(o.weight()), o.eps(), call.out(o.out()));
      case SwiGlu o -> new SwiGlu(call.in(o.gate()), call.in(o.up()), o.limit(), call.out(o.out()));
      case Add o -> new Add(call.in(o.x()), call.in(o.residual()), o.scale(), call.out(o.out()));
      case Rotate o -> new Rotate(call.in(o.q()), call.in(o.rotation()), call.out(o.out()));
      case Merge o ->
          new Merge(
              call.in(o.partialOut()),
              call.in(o.partialLse()),
              call.out(o.out()),
              call.out(o.lse()));
      case Route o ->
          new Route(
              o.routing(),
              call.in(o.logits()),
              call.in(o.bias()),
              call.out(o.experts()),
              call.out(o.weights()));
      case Combine o ->
          new Combine(
              call.in(o.expertOut()),
              call.in(o.slots()),
              call.in(o.weights()),
              call.in(o.shared()),
              call.out(o.out()));
      default -> throw new AssertionError(operation.name());
    };
  }

  /** Gathered rows are those of one expert, whose results get no bias. */
  private void multiply(Call call, MatrixProduct p, Tile tile) {
    requireWhole(tile.rowBegin(), tile.rowEnd(), p.n());
    Tensor out = call.out(p.y(), new long[] {p.rows(), p.n()}, p.yStride());
    Tensor weight = call.weight(p.matrix().tensor());
    if (p.indices().address() == 0) {
      Tensor x = call.in(p.x(), new long[] {p.rows(), p.k()}, p.xStride());
      Tensor bias = p.bias().address() == 0 ? null : call.in(p.bias(), new long[] {p.n()});
      device.run(new MatMul(x, weight, bias, p.compute(), out));
      call.results();
      return;
    }
    long sources = (p.x().byteSize() / 4 - p.k()) / Math.max(1, p.xStride()) + 1;
    Tensor x = call.in(p.x(), new long[] {sources, p.k()}, p.xStride());
    Tensor chosen = Tensor.of(call.bytes(4L * p.rows()), StorageFormat.I32, p.rows(), 1);
    Tensor unused = Tensor.of(call.bytes(4L * p.rows()), StorageFormat.I32, p.rows());
    MemorySegment tiles = call.bytes(16L * (p.rows() + 4));
    Groups groups = new Groups(1, weight.format(), p.compute(), unused, unused, tiles);
    device.run(new Group(chosen, groups));
    Tensor expert =
        Tensor.strided(
            weight.segment(),
            weight.format(),
            new long[] {1, p.n(), p.k()},
            new long[] {0, weight.stride(0), 1});
    Tensor of = Tensor.of(call.copy(p.indices()), StorageFormat.I32, p.rows());
    device.run(new GroupedMatMul(x, of, expert, groups, out));
    call.results();
    for (int i = 0; p.bias().address() != 0 && i < p.rows() * p.n(); i++) {
      long at = 4 * (i / p.n() * p.yStride() + i % p.n());
      float sum =
          p.y().get(ValueLayout.JAVA_FLOAT_UNALIGNED, at)
              + p.bias().get(ValueLayout.JAVA_FLOAT_UNALIGNED, 4L * (i % p.n()));
      p.y().set(ValueLayout.JAVA_FLOAT_UNALIGNED, at, sum);
    }
  }

  private void multiply(Call call, HeadProduct p, Tile tile) {
    requireWhole(tile.headBegin(), tile.headEnd(), p.heads());
    requireWhole(tile.rowBegin(), tile.rowEnd(), p.tokens());
    int rows = p.transposed() ? p.in() : p.out();
    int columns = p.transposed() ? p.out() : p.in();
    Tensor weight =
        call.weight(
            Tensor.strided(
                p.weight(),
                p.matrices().weight().format(),
                new long[] {p.heads(), rows, columns},
                new long[] {p.matrices().headStride(), p.matrices().stride(), 1}));
    long[] in = {p.tokens(), p.heads(), p.in()};
    long[] out = {p.tokens(), p.heads(), p.out()};
    device.run(
        new HeadMatMul(
            call.in(p.x(), in, p.xTokenStride(), p.xHeadStride()),
            weight,
            p.transposed(),
            p.compute(),
            call.out(p.y(), out, p.yTokenStride(), p.yHeadStride())));
    call.results();
  }

  private void append(Call call, AppendTile a, Tile tile) {
    requireWhole(tile.rowBegin(), tile.rowEnd(), a.tokens());
    AppendLatent o = a.operation();
    MlaShape shape = new MlaShape(1, a.cache().layout().latent(), a.cache().layout().rope(), 1, 1);
    MemorySegment pages = call.result(a.pages());
    device.run(
        new AppendLatent(
            0, call.in(o.latentAndKey()), call.in(o.normWeight()), o.eps(), call.in(o.rotation())),
        view(shape, AttentionForm.ABSORBED, a, pages, a.tokens(), a.position() + a.tokens()));
    call.results();
  }

  private void attend(Call call, AttentionTile a, Tile tile) {
    requireWhole(tile.headBegin(), tile.headEnd(), a.heads());
    requireWhole(tile.rowBegin(), tile.rowEnd(), a.queryTokens());
    if (a.queryTokens() == 0) {
      return;
    }
    boolean absorbed = !a.isDecompressed();
    if (absorbed) {
      requireWhole(tile.keyBegin(), tile.keyEnd(), a.kvTokens());
    }
    int latent = a.cache().layout().latent();
    int rope = a.cache().layout().rope();
    MlaShape shape =
        new MlaShape(a.heads(), latent, rope, absorbed ? 1 : a.nope(), absorbed ? 1 : a.value());
    long n = a.queryTokens();
    long[] query = {n, a.heads(), a.queryWidth()};
    long[] result = {n, a.heads(), a.outWidth()};
    Tensor q = call.in(a.q(), query, a.qTokenStride(), a.qHeadStride());
    Tensor out = call.out(a.out(0), result, a.outTokenStride(), a.outHeadStride());
    // A tensor's last stride is 1, which the strides of lse need not be.
    Tensor lse = Tensor.of(call.bytes(4 * n * a.heads()), StorageFormat.F32, n, a.heads());
    AttentionScore score = new AttentionScore(a.scale(), call.in(a.score().alibiSlopes()));
    AttentionForm form = absorbed ? AttentionForm.ABSORBED : AttentionForm.DECOMPRESSED;
    PagedView view = view(shape, form, a, call.copy(a.pages()), a.queryTokens(), a.kvTokens());
    if (absorbed) {
      device.run(new AttendAbsorbed(0, q, score, a.compute(), out, lse), view);
    } else {
      LatentUp up = LatentUp.fused(Weight.of(call.weight(PlainWeights.fused(a.up()))));
      Attend attend = new Attend(0, shape, q, up, score, a.compute(), out);
      device.run(new AttendDecompressed(attend, lse), view);
    }
    call.results();
    float[] numbers = new float[(int) n * a.heads()];
    MemorySegment host = MemorySegment.ofArray(numbers);
    device.copy(lse.segment(), 0, host, 0, host.byteSize());
    for (int i = 0; i < numbers.length; i++) {
      long at = i / a.heads() * a.lseTokenStride() + i % a.heads() * a.lseHeadStride();
      a.lse(0).set(ValueLayout.JAVA_FLOAT_UNALIGNED, 4 * at, numbers[i]);
    }
  }

  private static void requireWhole(int begin, int end, int count) {
    assertEquals("0.." + count, begin + ".." + end);
  }

  private static PagedView view(
      MlaShape shape, AttentionForm form, CachePages p, MemorySegment pages, int queries, int kv) {
    return new OneSequence(shape, form, queries, kv, p.cache(), p.pageTable(), pages);
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
    public int splitOfChosen(int keys) {
      return Math.max(1, keys);
    }

    @Override
    public Lease acquire() {
      return () -> {};
    }

    @Override
    public int stateLayers() {
      return 0;
    }

    @Override
    public StateLayout stateLayout() {
      throw new UnsupportedOperationException();
    }

    @Override
    public MemorySegment stateBefore(int sequence, int layer) {
      throw new UnsupportedOperationException();
    }

    @Override
    public MemorySegment stateAfter(int sequence, int layer) {
      throw new UnsupportedOperationException();
    }

    @Override
    public void stateWritten(int sequence, int layer) {
      throw new UnsupportedOperationException();
    }

    @Override
    public int groups() {
      return 1;
    }

    @Override
    public int rows() {
      return 0;
    }

    @Override
    public int layers(int group) {
      return 1;
    }

    @Override
    public LatentLayout layout(int group) {
      return cacheParams.layout();
    }

    @Override
    public CacheParams cacheParams(int group) {
      return cacheParams;
    }

    @Override
    public MemorySegment layerBase(int group, int layer) {
      return cache;
    }
  }

  /** The copies of one call. */
  private final class Call implements AutoCloseable {
    private static final int ALIGNMENT = 256;

    private final Arena arena = Arena.ofShared();

    /** By their address, so that a result over an input stays one. */
    private final Map<Long, MemorySegment> copies = new HashMap<>();

    private final List<MemorySegment> results = new ArrayList<>();

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

    /** A copy that is written back. */
    MemorySegment result(MemorySegment host) {
      results.add(host);
      return copy(host);
    }

    private static Tensor like(Tensor host, MemorySegment there, StorageFormat format) {
      long[] shape = new long[host.rank()];
      long[] strides = new long[shape.length];
      for (int i = 0; i < shape.length; i++) {
        shape[i] = host.dim(i);
        strides[i] = host.stride(i);
      }
      return Tensor.strided(there, format, shape, strides);
    }

    /** Null of null. */
    Tensor in(Tensor host) {
      if (host == null) {
        return null;
      }
      boolean empty = host.segment().byteSize() == 0;
      return like(host, empty ? MemorySegment.NULL : copy(host.segment()), host.format());
    }

    Rotation in(Rotation rotation) {
      return new Rotation(in(rotation.cosines()), in(rotation.sines()), rotation.layout());
    }

    Tensor out(Tensor host) {
      if (host != null) {
        results.add(host.segment());
      }
      return in(host);
    }

    /** F32 with these strides, and 1 in the last dimension. */
    Tensor in(MemorySegment host, long[] shape, long... strides) {
      long[] all = Arrays.copyOf(strides, strides.length + 1);
      all[strides.length] = 1;
      return Tensor.strided(copy(host), StorageFormat.F32, shape, all);
    }

    Tensor out(MemorySegment host, long[] shape, long... strides) {
      results.add(host);
      return in(host, shape, strides);
    }

    /** A weight as the device multiplies it exactly: F16 becomes F32. */
    Tensor weight(Tensor host) {
      if (host.format() != StorageFormat.F16) {
        return in(host);
      }
      MemorySegment bytes = host.segment();
      Tensor all = Tensor.of(bytes, host.format(), 1, bytes.byteSize() / 2);
      Weight placed = device.place(List.of(Weight.of(all)), ComputeType.F32, arena).getFirst();
      return like(host, placed.tensor().segment(), StorageFormat.F32);
    }

    MemorySegment bytes(long bytes) {
      return device.allocate(bytes, arena);
    }

    /** Writes back what the device made of the results. */
    void results() {
      for (MemorySegment host : results) {
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
}

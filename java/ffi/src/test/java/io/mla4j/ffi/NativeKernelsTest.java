package io.mla4j.ffi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.BackendException;
import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.InvalidArgumentException;
import io.mla4j.LatentLayout;
import io.mla4j.MlaShape;
import io.mla4j.cpu.ScalarKernels;
import io.mla4j.ops.Absorb;
import io.mla4j.ops.Add;
import io.mla4j.ops.AppendLatent;
import io.mla4j.ops.AttentionScore;
import io.mla4j.ops.Combine;
import io.mla4j.ops.Embed;
import io.mla4j.ops.Expand;
import io.mla4j.ops.Gate;
import io.mla4j.ops.LatentUp;
import io.mla4j.ops.Merge;
import io.mla4j.ops.Operation;
import io.mla4j.ops.RmsNorm;
import io.mla4j.ops.RopeLayout;
import io.mla4j.ops.Rotate;
import io.mla4j.ops.Rotation;
import io.mla4j.ops.Route;
import io.mla4j.ops.Routing;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.SwiGlu;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
import io.mla4j.spi.AppendTile;
import io.mla4j.spi.AttentionTile;
import io.mla4j.spi.CacheParams;
import io.mla4j.spi.Kernels;
import io.mla4j.spi.MatrixProduct;
import io.mla4j.spi.Multiply;
import io.mla4j.spi.Pack;
import io.mla4j.spi.Tile;
import io.mla4j.spi.TileKernel;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import java.util.function.BiConsumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/**
 * Each function of the table: called with the arguments in the right places (against the scalar
 * kernels, on every instruction set), and refused before the call where a segment is too small, on
 * the heap, unaligned or read-only. The exact comparison with the oracle is elsewhere.
 */
class NativeKernelsTest {
  private static final MemorySegment NULL = MemorySegment.NULL;
  private static final StorageFormat F32 = StorageFormat.F32;
  private static final int TOKENS = 5;
  private static final int HEADS = 3;
  private static final int LATENT = 20;
  private static final int ROPE = 6;
  private static final int NOPE = 10;
  private static final int VALUE = 12;
  private static final CacheParams CACHE =
      new CacheParams(new LatentLayout(LATENT, ROPE, CacheType.F32), 2, 7, 2 * 256);
  private static final Routing ROUTING =
      new Routing(
          8,
          3,
          Routing.Score.SIGMOID,
          4,
          2,
          Routing.GroupScore.TOP2_SUM,
          Routing.GroupMask.ZERO,
          true,
          2.5f);

  private final Arena arena = Arena.ofShared();
  private final Random random = new Random(7);

  @AfterEach
  void free() {
    arena.close();
  }

  private MemorySegment floats(int n) {
    MemorySegment segment = arena.allocate(4L * n, 64);
    for (int i = 0; i < n; i++) {
      segment.setAtIndex(ValueLayout.JAVA_FLOAT, i, random.nextFloat() - 0.5f);
    }
    return segment;
  }

  private Tensor tensor(long... shape) {
    int n = 1;
    for (long dim : shape) {
      n *= (int) dim;
    }
    return Tensor.of(floats(n), F32, shape);
  }

  private MemorySegment ints(int... values) {
    return arena.allocateFrom(ValueLayout.JAVA_INT, values);
  }

  private MemorySegment bytes(long n) {
    return arena.allocate(n, 64);
  }

  /** Rows with gaps between them. */
  private static Tensor gapped(MemorySegment segment, long rows, long width, long stride) {
    return Tensor.strided(segment, F32, new long[] {rows, width}, new long[] {stride, 1});
  }

  /**
   * Runs a call with scalar and native kernels, each with its own result, and compares the results.
   */
  private void same(int results, BiConsumer<Kernels, MemorySegment> call) {
    NativeLibrary library = Natives.library();
    MemorySegment expected = bytes(4L * results);
    call.accept(new ScalarKernels(), expected);
    for (String isa : library.isas()) {
      MemorySegment actual = bytes(4L * results);
      call.accept(library.kernels(isa), actual);
      for (int i = 0; i < results; i++) {
        assertEquals(
            expected.getAtIndex(ValueLayout.JAVA_FLOAT, i),
            actual.getAtIndex(ValueLayout.JAVA_FLOAT, i),
            2e-5,
            isa + ", element " + i);
      }
    }
  }

  private static TileKernel prepared(Kernels kernels, Operation operation) {
    TileKernel kernel = kernels.bind(operation);
    kernel.prepare();
    return kernel;
  }

  private static void rows(Kernels kernels, Operation operation, int count) {
    prepared(kernels, operation).run(new Tile().rows(0, count));
  }

  private static void refused(String part, Executable call) {
    String message = assertThrows(InvalidArgumentException.class, call).getMessage();
    assertTrue(message.contains(part), message);
  }

  /** What an operation is refused for before anything is called. */
  private static void refused(String part, Operation operation) {
    refused(part, () -> prepared(Natives.library().kernels(null), operation));
  }

  private MemorySegment pages() {
    return ints(3, 0, 6, 2, 5);
  }

  private MatrixProduct product(MemorySegment x, MemorySegment y) {
    return new MatrixProduct()
        .with(ComputeType.F32, Weight.of(tensor(11, 18)), NULL)
        .from(x, 18, NULL, TOKENS)
        .to(y, 11);
  }

  @Test
  void linear() {
    MemorySegment x = floats(7 * 18);
    MemorySegment indices = ints(6, 0, 3, 3, 1);
    Weight weight = Weight.of(tensor(11, 18));
    MemorySegment bias = floats(11);
    same(
        TOKENS * 11,
        (k, y) -> {
          MatrixProduct p =
              new MatrixProduct()
                  .with(ComputeType.F32, weight, bias)
                  .from(x, 18, indices, TOKENS)
                  .to(y, 11);
          TileKernel pack = prepared(k, new Pack(p));
          TileKernel multiply = prepared(k, new Multiply(p));
          Tile tile = new Tile().workspace(bytes(pack.workspaceBytes()));
          pack.run(tile.rows(0, TOKENS));
          multiply.run(tile.rows(0, 11));
        });
  }

  @Test
  void headProducts() {
    Weight latentUp = Weight.of(tensor(HEADS * (NOPE + VALUE), LATENT));
    Tensor q = tensor(TOKENS, HEADS, NOPE);
    Tensor x = tensor(TOKENS, HEADS, LATENT);
    Tile tile = new Tile().rows(0, TOKENS).heads(0, HEADS);
    same(
        TOKENS * HEADS * LATENT,
        (k, y) -> {
          Tensor out = Tensor.of(y, F32, TOKENS, HEADS, LATENT);
          prepared(k, new Absorb(q, LatentUp.fused(latentUp), ComputeType.F32, out)).run(tile);
        });
    same(
        TOKENS * HEADS * VALUE,
        (k, y) -> {
          Tensor out = Tensor.of(y, F32, TOKENS, HEADS, VALUE);
          prepared(k, new Expand(x, LatentUp.fused(latentUp), ComputeType.F32, out)).run(tile);
        });
  }

  /** Attention whose out and lse lie in y, one after the other. */
  private AttentionTile attention(
      AttentionTile a, int queryWidth, int outWidth, MemorySegment y, MemorySegment cache) {
    int outs = TOKENS * HEADS * outWidth;
    a.pages(CACHE, cache, pages());
    a.queries(floats(TOKENS * HEADS * queryWidth), (long) HEADS * queryWidth, queryWidth);
    a.tokens(TOKENS, 9);
    a.strides((long) HEADS * outWidth, outWidth, HEADS, 1);
    a.addPart(y.asSlice(0, 4L * outs), y.asSlice(4L * outs));
    return a;
  }

  private static void runAttention(Kernels k, AttentionTile a, Arena arena) {
    TileKernel kernel = prepared(k, a);
    kernel.run(
        new Tile()
            .rows(0, TOKENS)
            .heads(0, HEADS)
            .keys(0, 9, 0)
            .workspace(arena.allocate(kernel.workspaceBytes(), 64)));
  }

  @Test
  void attention() {
    AttentionScore score = new AttentionScore(0.3f, tensor(HEADS));
    Weight latentUp = Weight.of(tensor(HEADS * (NOPE + VALUE), LATENT));
    MemorySegment cache = floats(7 * 128);
    MemorySegment queries = floats(TOKENS * HEADS * (LATENT + ROPE));
    same(
        TOKENS * HEADS * (LATENT + 1),
        (k, y) -> {
          AttentionTile a =
              attention(
                  AttentionTile.absorbed(ComputeType.F32, HEADS, score),
                  LATENT + ROPE,
                  LATENT,
                  y,
                  cache);
          a.queries(queries, (long) HEADS * (LATENT + ROPE), LATENT + ROPE);
          runAttention(k, a, arena);
        });
    same(
        TOKENS * HEADS * (VALUE + 1),
        (k, y) -> {
          AttentionTile a =
              attention(
                  AttentionTile.decompressed(
                      ComputeType.F32,
                      new MlaShape(HEADS, LATENT, ROPE, NOPE, VALUE),
                      score,
                      LatentUp.fused(latentUp)),
                  NOPE + ROPE,
                  VALUE,
                  y,
                  cache);
          a.queries(queries, (long) HEADS * (NOPE + ROPE), NOPE + ROPE);
          runAttention(k, a, arena);
        });
  }

  @Test
  void merge() {
    Tensor partialOut = tensor(2, TOKENS, HEADS, 8);
    Tensor partialLse = tensor(2, TOKENS, HEADS);
    same(
        135,
        (k, y) -> {
          Tensor out = Tensor.of(y.asSlice(0, 480), F32, TOKENS, HEADS, 8);
          Tensor lse = Tensor.of(y.asSlice(480), F32, TOKENS, HEADS);
          TileKernel kernel = prepared(k, new Merge(partialOut, partialLse, out, lse));
          // The second head of token 0 to the first one of token 3, then the rest.
          kernel.run(new Tile().rows(1, 10));
          kernel.run(new Tile().rows(10, TOKENS * HEADS));
          kernel.run(new Tile().rows(0, 1));
        });
  }

  private Rotation rotation(RopeLayout layout) {
    return new Rotation(tensor(TOKENS, ROPE / 2), tensor(TOKENS, ROPE / 2), layout);
  }

  private AppendTile append(Tensor a, Rotation rotation, MemorySegment pages, MemorySegment to) {
    AppendTile append = new AppendTile(new AppendLatent(0, a, tensor(LATENT), 1e-6f, rotation));
    append.pages(CACHE, to, pages);
    append.tokens(0, TOKENS, 4);
    return append;
  }

  @Test
  void append() {
    Tensor a = tensor(TOKENS, LATENT + ROPE);
    Tensor norm = tensor(LATENT);
    Rotation rotation = rotation(RopeLayout.PAIRS);
    MemorySegment pages = pages();
    same(
        7 * 128,
        (k, y) -> {
          AppendTile append = new AppendTile(new AppendLatent(0, a, norm, 1e-6f, rotation));
          append.pages(CACHE, y, pages);
          append.tokens(0, TOKENS, 4);
          prepared(k, append).run(new Tile().rows(0, TOKENS));
        });
  }

  @Test
  void operationsOnRows() {
    Tensor x = gapped(floats(TOKENS * 20), TOKENS, 17, 20);
    Tensor r = gapped(floats(TOKENS * 18), TOKENS, 17, 18);
    Tensor weight = tensor(17);
    Weight table = Weight.of(gapped(floats(6 * 20), 6, 17, 20));
    Tensor ids = Tensor.of(ints(5, 0, 2), StorageFormat.I32, 3);
    Tensor q = tensor(TOKENS, HEADS, 8);
    Rotation rotation = rotation(RopeLayout.HALVES);
    same(
        TOKENS * 19,
        (k, y) -> rows(k, new RmsNorm(x, weight, 1e-5f, gapped(y, TOKENS, 17, 19)), TOKENS));
    same(TOKENS * 19, (k, y) -> rows(k, new SwiGlu(x, r, gapped(y, TOKENS, 17, 19)), TOKENS));
    for (Gate.Function f : Gate.Function.values()) {
      same(TOKENS * 19, (k, y) -> rows(k, new Gate(x, r, f, gapped(y, TOKENS, 17, 19)), TOKENS));
    }
    same(TOKENS * 19, (k, y) -> rows(k, new Add(x, r, 0.7f, gapped(y, TOKENS, 17, 19)), TOKENS));
    same(3 * 19, (k, y) -> rows(k, new Embed(table, ids, 1.5f, gapped(y, 3, 17, 19)), 3));
    same(
        TOKENS * 24,
        (k, y) -> rows(k, new Rotate(q, rotation, Tensor.of(y, F32, TOKENS, HEADS, 8)), TOKENS));
  }

  @Test
  void routeAndCombine() {
    Tensor logits = tensor(TOKENS, 8);
    Tensor bias = tensor(8);
    Tensor outs = tensor(8, 9);
    Tensor shared = tensor(TOKENS, 9);
    same(
        TOKENS * 9,
        (k, y) -> {
          Tensor experts = Tensor.of(bytes(4 * 15), StorageFormat.I32, TOKENS, 3);
          Tensor weights = Tensor.of(bytes(4 * 15), F32, TOKENS, 3);
          rows(k, new Route(ROUTING, logits, bias, experts, weights), TOKENS);
          Tensor out = Tensor.of(y, F32, TOKENS, 9);
          rows(k, new Combine(outs, experts, weights, shared, out), TOKENS);
        });
  }

  @Test
  void aTooSmallSegmentIsNamed() {
    NativeKernels k = Natives.library().kernels(null);
    MemorySegment big = bytes(1 << 16);
    refused("x has", new Pack(product(bytes(4 * 89), big)));
    refused(
        "x has",
        new Pack(product(bytes(360), big).from(big.asSlice(0, 360), 18, ints(0, 1, 2, 3, 5), 5)));
    refused("indices has", new Pack(product(big, big).from(big, 18, ints(0, 1), 5)));
    refused("indices[1]", new Pack(product(big, big).from(big, 18, ints(0, -1, 0, 0, 0), 5)));
    refused(
        "bias has",
        new Multiply(
            product(big, big).with(ComputeType.F32, Weight.of(tensor(11, 18)), bytes(40))));
    refused("y has", new Multiply(product(big, bytes(4 * 54))));
    Tile tile = new Tile().workspace(big);
    TileKernel pack = prepared(k, new Pack(product(big, big)));
    TileKernel multiply = prepared(k, new Multiply(product(big, big)));
    MemorySegment short_ = bytes(pack.workspaceBytes()).asSlice(64);
    refused("packed has", () -> pack.run(new Tile().rows(0, 5).workspace(short_)));
    refused("packed has", () -> multiply.run(new Tile().rows(0, 1).workspace(short_)));
    refused("packed is at", () -> pack.run(new Tile().rows(0, 5).workspace(big.asSlice(32))));
    refused("n range", () -> multiply.run(tile.rows(0, 12)));
    refused("row range", () -> pack.run(tile.rows(-1, 2)));
    Weight latentUp = Weight.of(tensor(HEADS * (NOPE + VALUE), LATENT));
    Tensor latents = tensor(TOKENS, HEADS, LATENT);
    TileKernel expand =
        prepared(
            k,
            new Expand(
                latents, LatentUp.fused(latentUp), ComputeType.F32, tensor(TOKENS, HEADS, VALUE)));
    refused("head range", () -> expand.run(tile.rows(0, 5).heads(0, 4)));
    TileKernel add =
        prepared(k, new Add(latents.reshape(5, 60), latents.reshape(5, 60), 1, tensor(5, 60)));
    refused("row range", () -> add.run(tile.rows(0, 6)));
    refused("row range", () -> add.run(tile.rows(-1, 2)));
    Embed embed =
        new Embed(
            Weight.of(tensor(6, 17)), Tensor.of(ints(6), StorageFormat.I32, 1), 1, tensor(1, 17));
    refused("ids[0] is 6", () -> rows(k, embed, 1));
    Tensor a = tensor(TOKENS, LATENT + ROPE);
    Rotation rotation = rotation(RopeLayout.PAIRS);
    refused("page_table has", append(a, rotation, ints(3, 0, 6, 2), big));
    refused("cache has", append(a, rotation, pages(), bytes(6 * 512 + 2 * 192 - 4)));
    refused("cache is read-only", append(a, rotation, pages(), big.asReadOnly()));
    AttentionScore score = AttentionScore.of(0.3f);
    AttentionTile attention =
        attention(
            AttentionTile.absorbed(ComputeType.F32, HEADS, score), LATENT + ROPE, LATENT, big, big);
    attention.strides(HEADS * LATENT, LATENT, HEADS, 1);
    attention.addPart(big, bytes(56));
    refused("lse has", attention);
  }

  @Test
  void aPageOutsideOfThePoolIsRefused() {
    NativeKernels k = Natives.library().kernels(null);
    MemorySegment big = bytes(1 << 16);
    Tensor a = tensor(TOKENS, LATENT + ROPE);
    Rotation rotation = rotation(RopeLayout.PAIRS);
    AttentionScore score = AttentionScore.of(0.3f);
    AttentionTile attention =
        attention(
            AttentionTile.absorbed(ComputeType.F32, HEADS, score), LATENT + ROPE, LATENT, big, big);
    for (int page : new int[] {-1, 7, Integer.MAX_VALUE}) {
      AppendTile append = append(a, rotation, ints(3, 0, page, 2, 5), big);
      refused("page_table", () -> rows(k, append, TOKENS));
      attention.pages(CACHE, big, ints(3, page, 6, 2, 5));
      refused("page_table", () -> runAttention(k, attention, arena));
    }
    attention.pages(CACHE, big, pages());
    TileKernel kernel = prepared(k, attention);
    MemorySegment small = bytes(kernel.workspaceBytes() - 1);
    Tile tile = new Tile().rows(0, TOKENS).heads(0, HEADS).keys(0, 9, 0).workspace(small);
    refused("workspace has", () -> kernel.run(tile));
  }

  @Test
  void stridesThatOverflowAreTooLarge() {
    MemorySegment big = bytes(1 << 16);
    for (long stride : new long[] {Long.MAX_VALUE, Long.MAX_VALUE / 4, 1L << 61, 1L << 40}) {
      refused("x has", new Pack(product(big, big).from(big, stride, NULL, TOKENS)));
      refused("y has", new Multiply(product(big, big).to(big, stride)));
      AppendTile append =
          append(tensor(TOKENS, LATENT + ROPE), rotation(RopeLayout.PAIRS), pages(), big);
      append.pages(new CacheParams(CACHE.layout(), 2, 7, stride), big, pages());
      refused("cache has", append);
    }
    refused("stride is -1", new Pack(product(big, big).from(big, -1, NULL, TOKENS)));
  }

  @Test
  void otherMemoryIsRefused() {
    MemorySegment big = bytes(4096);
    MemorySegment heap = MemorySegment.ofArray(new float[1000]);
    refused("x is on the Java heap", new Pack(product(heap, big)));
    refused("y is on the Java heap", new Multiply(product(big, heap)));
    refused("y is read-only", new Multiply(product(big, big.asReadOnly())));
    refused("x is at", new Pack(product(big.asSlice(2), big)));
    prepared(Natives.library().kernels(null), new Pack(product(big.asReadOnly(), big)));
    Tensor unaligned = Tensor.of(big.asSlice(2), F32, 5, 17);
    refused("residual is at", new Add(tensor(5, 17), unaligned, 1, tensor(5, 17)));
  }

  @Test
  void emptyRangesTouchNothing() {
    Tensor none = Tensor.of(NULL, F32, 0, 17);
    rows(Natives.library().kernels(null), new Add(none, none, 1, none), 0);
  }

  @Test
  void functionsThatATableLacksAreNamed() {
    NativeKernels empty = new FakeTable(arena).kernels();
    Tensor x = tensor(1, 8);
    Map<String, Executable> calls = new LinkedHashMap<>();
    calls.put("pack", () -> empty.bind(new Pack(product(NULL, NULL))));
    calls.put(
        "attend_absorbed",
        () -> empty.bind(AttentionTile.absorbed(ComputeType.F32, HEADS, AttentionScore.of(1))));
    calls.put("probe", () -> empty.probe(NativeProbe.FMA_F32, 1, NULL));
    calls.put("rms_norm", () -> empty.bind(new RmsNorm(x, tensor(8), 1e-6f, x)));
    calls.put("swiglu", () -> empty.bind(new SwiGlu(x, x, x)));
    calls.put("gate", () -> empty.bind(new Gate(x, x, Gate.Function.RELU, x)));
    calls.put("add", () -> empty.bind(new Add(x, x, 1, x)));
    calls.forEach(
        (name, call) -> {
          String message = assertThrows(BackendException.class, call).getMessage();
          assertTrue(message.endsWith(" have no function " + name), message);
        });
    assertFalse(empty.hasMerge());
  }

  @Test
  void probesCountWhatTheyDo() {
    for (String isa : Natives.library().isas()) {
      NativeKernels kernels = Natives.library().kernels(isa);
      long one = kernels.probe(NativeProbe.FMA_F32, 1, NULL).orElseThrow();
      assertEquals(10 * one, kernels.probe(NativeProbe.FMA_F32, 10, NULL).orElseThrow());
      MemorySegment memory = arena.allocate(640, 64);
      assertEquals(1280, kernels.probe(NativeProbe.READ, 2, memory).orElseThrow());
      boolean multipliesBf16 = kernels.probe(NativeProbe.DOT_BF16, 1, NULL).isPresent();
      assertTrue(multipliesBf16 || !kernels.prefersBf16(), isa);
      assertFalse(multipliesBf16 && isa.equals("generic"));
    }
    NativeKernels kernels = Natives.library().kernels(null);
    assertThrows(
        InvalidArgumentException.class, () -> kernels.probe(NativeProbe.FMA_F32, -1, NULL));
    assertThrows(
        InvalidArgumentException.class,
        () -> kernels.probe(NativeProbe.READ, 1, arena.allocate(65, 64)));
  }
}

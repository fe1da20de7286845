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
import io.mla4j.cpu.ScalarKernels;
import io.mla4j.ops.RopeLayout;
import io.mla4j.ops.Routing;
import io.mla4j.ops.StorageFormat;
import io.mla4j.spi.AppendParams;
import io.mla4j.spi.AttentionParams;
import io.mla4j.spi.CacheParams;
import io.mla4j.spi.HeadLinearParams;
import io.mla4j.spi.LinearParams;
import io.mla4j.spi.MergeParams;
import io.mla4j.spi.RopeParams;
import io.mla4j.spi.RouteParams;
import io.mla4j.spi.TileKernels;
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
  private static final int TOKENS = 5;
  private static final int HEADS = 3;
  private static final int LATENT = 20;
  private static final int ROPE = 6;
  private static final int NOPE = 10;
  private static final int VALUE = 12;
  private static final CacheParams CACHE =
      new CacheParams(new LatentLayout(LATENT, ROPE, CacheType.F32), 2, 7, 2 * 256);
  private static final LinearParams LINEAR =
      new LinearParams(ComputeType.F32, StorageFormat.F32, TOKENS, 18, 11, 0, 0, 18, 18, 11);
  private static final HeadLinearParams HEAD_LINEAR =
      new HeadLinearParams(
          ComputeType.F32,
          StorageFormat.F32,
          TOKENS,
          HEADS,
          8,
          9,
          false,
          0,
          0,
          24,
          8,
          27,
          9,
          72,
          8);
  private static final AttentionParams ABSORBED = attention(LATENT + ROPE, LATENT);
  private static final AttentionParams DECOMPRESSED = attention(NOPE + ROPE, VALUE);
  private static final MergeParams MERGE =
      new MergeParams(2, TOKENS, HEADS, 8, 120, 24, 8, 15, 3, 1, 24, 8, 3, 1);
  private static final AppendParams APPEND =
      new AppendParams(TOKENS, 4, RopeLayout.PAIRS, 1e-6f, LATENT + ROPE);
  private static final RopeParams ROTATION =
      new RopeParams(TOKENS, HEADS, 8, ROPE, RopeLayout.HALVES, 24, 8, 24, 8);
  private static final RouteParams ROUTE =
      new RouteParams(
          TOKENS,
          new Routing(
              8,
              3,
              Routing.Score.SIGMOID,
              4,
              2,
              Routing.GroupScore.TOP2_SUM,
              Routing.GroupMask.ZERO,
              true,
              2.5f),
          8);

  private final Arena arena = Arena.ofShared();
  private final Random random = new Random(7);

  private static AttentionParams attention(int queryWidth, int outWidth) {
    return new AttentionParams(
        ComputeType.F32,
        HEADS,
        TOKENS,
        9,
        true,
        NOPE,
        VALUE,
        StorageFormat.F32,
        0,
        0,
        0.3f,
        0,
        (long) HEADS * queryWidth,
        queryWidth,
        (long) HEADS * outWidth,
        outWidth,
        HEADS,
        1,
        (long) (NOPE + VALUE) * LATENT,
        LATENT);
  }

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

  private MemorySegment ints(int... values) {
    return arena.allocateFrom(ValueLayout.JAVA_INT, values);
  }

  private MemorySegment bytes(long n) {
    return arena.allocate(n, 64);
  }

  /**
   * Runs a call with scalar and native kernels, each with its own result, and compares the results.
   */
  private void same(int results, BiConsumer<TileKernels, MemorySegment> call) {
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

  private static void refused(String part, Executable call) {
    String message = assertThrows(InvalidArgumentException.class, call).getMessage();
    assertTrue(message.contains(part), message);
  }

  private MemorySegment pages() {
    return ints(3, 0, 6, 2, 5);
  }

  private MemorySegment workspace(TileKernels kernels, AttentionParams p, boolean decompressed) {
    return bytes(kernels.attentionWorkspace(p, CACHE, decompressed));
  }

  @Test
  void linear() {
    MemorySegment x = floats(7 * 18);
    MemorySegment indices = ints(6, 0, 3, 3, 1);
    MemorySegment weight = floats(11 * 18);
    MemorySegment bias = floats(11);
    same(
        TOKENS * 11,
        (k, y) -> {
          MemorySegment packed = bytes(k.packedBytes(LINEAR));
          k.pack(LINEAR, x, indices, 0, TOKENS, packed);
          k.linear(LINEAR, packed, weight, NULL, bias, 0, 11, y);
        });
  }

  @Test
  void headLinear() {
    MemorySegment x = floats(TOKENS * 24);
    MemorySegment weight = floats(HEADS * 72);
    same(TOKENS * 27, (k, y) -> k.headLinear(HEAD_LINEAR, x, weight, NULL, 0, HEADS, 0, TOKENS, y));
  }

  @Test
  void attendAbsorbed() {
    MemorySegment q = floats(TOKENS * HEADS * (LATENT + ROPE));
    MemorySegment cache = floats(7 * 128);
    MemorySegment slopes = floats(HEADS);
    MemorySegment pages = pages();
    int outs = TOKENS * HEADS * LATENT;
    same(
        outs + TOKENS * HEADS,
        (k, y) ->
            k.attendAbsorbed(
                ABSORBED,
                CACHE,
                q,
                cache,
                pages,
                slopes,
                0,
                HEADS,
                0,
                TOKENS,
                0,
                9,
                y.asSlice(0, 4L * outs),
                y.asSlice(4L * outs),
                workspace(k, ABSORBED, false)));
  }

  @Test
  void attendDecompressed() {
    MemorySegment q = floats(TOKENS * HEADS * (NOPE + ROPE));
    MemorySegment kvB = floats(HEADS * (NOPE + VALUE) * LATENT);
    MemorySegment cache = floats(7 * 128);
    MemorySegment pages = pages();
    int outs = TOKENS * HEADS * VALUE;
    same(
        outs + TOKENS * HEADS,
        (k, y) ->
            k.attendDecompressed(
                DECOMPRESSED,
                CACHE,
                q,
                kvB,
                NULL,
                cache,
                pages,
                NULL,
                0,
                HEADS,
                0,
                TOKENS,
                y.asSlice(0, 4L * outs),
                y.asSlice(4L * outs),
                workspace(k, DECOMPRESSED, true)));
  }

  @Test
  void merge() {
    MemorySegment partialOut = floats(240);
    MemorySegment partialLse = floats(30);
    same(
        135,
        (k, y) ->
            k.merge(
                MERGE,
                partialOut,
                partialLse,
                0,
                TOKENS,
                0,
                HEADS,
                y.asSlice(0, 480),
                y.asSlice(480)));
  }

  @Test
  void append() {
    MemorySegment a = floats(TOKENS * (LATENT + ROPE));
    MemorySegment norm = floats(LATENT);
    MemorySegment cosines = floats(TOKENS * ROPE / 2);
    MemorySegment sines = floats(TOKENS * ROPE / 2);
    MemorySegment pages = pages();
    same(7 * 128, (k, y) -> k.append(APPEND, CACHE, a, norm, cosines, sines, pages, 0, TOKENS, y));
  }

  @Test
  void rope() {
    MemorySegment x = floats(TOKENS * 24);
    MemorySegment cosines = floats(TOKENS * ROPE / 2);
    MemorySegment sines = floats(TOKENS * ROPE / 2);
    same(TOKENS * 24, (k, y) -> k.rope(ROTATION, x, cosines, sines, 0, TOKENS, y));
  }

  @Test
  void elementWise() {
    MemorySegment x = floats(TOKENS * 20);
    MemorySegment r = floats(TOKENS * 18);
    MemorySegment weight = floats(17);
    same(TOKENS * 19, (k, y) -> k.rmsNorm(x, 20, weight, 1e-5f, TOKENS, 17, y, 19));
    same(TOKENS * 19, (k, y) -> k.swiglu(x, 20, r, 18, TOKENS, 17, y, 19));
    same(TOKENS * 19, (k, y) -> k.add(x, 20, r, 18, 0.7f, TOKENS, 17, y, 19));
  }

  @Test
  void embed() {
    MemorySegment table = floats(6 * 20);
    MemorySegment ids = ints(5, 0, 2);
    same(3 * 19, (k, y) -> k.embed(StorageFormat.F32, table, 20, 6, ids, 3, 17, 1.5f, y, 19));
  }

  @Test
  void routeAndCombine() {
    MemorySegment logits = floats(TOKENS * 8);
    MemorySegment bias = floats(8);
    MemorySegment outs = floats(8 * 9);
    MemorySegment shared = floats(TOKENS * 9);
    same(
        TOKENS * 9,
        (k, y) -> {
          MemorySegment experts = bytes(4 * 15);
          MemorySegment weights = bytes(4 * 15);
          k.route(ROUTE, logits, bias, 0, TOKENS, experts, weights);
          k.combine(outs, 9, 8, experts, weights, shared, 9, TOKENS, 3, 9, y, 9);
        });
  }

  @Test
  void aTooSmallSegmentIsNamed() {
    NativeKernels k = Natives.library().kernels(null);
    MemorySegment big = bytes(1 << 16);
    MemorySegment packed = bytes(k.packedBytes(LINEAR));
    refused("x has", () -> k.pack(LINEAR, bytes(4 * 89), NULL, 0, 5, packed));
    refused("x has", () -> k.pack(LINEAR, bytes(4 * 90), ints(0, 1, 2, 3, 5), 0, 5, packed));
    refused("indices has", () -> k.pack(LINEAR, big, ints(0, 1), 0, 5, packed));
    refused("indices[1]", () -> k.pack(LINEAR, big, ints(0, -1, 0, 0, 0), 0, 5, packed));
    refused("packed has", () -> k.pack(LINEAR, big, NULL, 0, 5, packed.asSlice(64)));
    refused("packed has", () -> k.linear(LINEAR, packed.asSlice(64), big, NULL, NULL, 0, 1, big));
    refused("weight has", () -> k.linear(LINEAR, packed, bytes(4), NULL, NULL, 0, 1, big));
    refused("bias has", () -> k.linear(LINEAR, packed, big, NULL, bytes(40), 0, 11, big));
    refused("y has", () -> k.linear(LINEAR, packed, big, NULL, NULL, 0, 11, bytes(4 * 54)));
    refused("scales", () -> k.linear(LINEAR, packed, big, big, NULL, 0, 11, big));
    refused("n range", () -> k.linear(LINEAR, packed, big, NULL, NULL, 0, 12, big));
    refused("row range", () -> k.pack(LINEAR, big, NULL, -1, 2, packed));
    refused("weight has", () -> k.headLinear(HEAD_LINEAR, big, bytes(800), NULL, 0, 3, 0, 5, big));
    refused("head range", () -> k.headLinear(HEAD_LINEAR, big, big, NULL, 0, 4, 0, 5, big));
    refused(
        "table has",
        () -> k.embed(StorageFormat.BF16, bytes(4), 20, 6, ints(0), 1, 17, 1, big, 17));
    refused("type I32", () -> k.embed(StorageFormat.I32, big, 20, 6, ints(0), 1, 17, 1, big, 17));
    refused(
        "ids[0] is 6", () -> k.embed(StorageFormat.F32, big, 20, 6, ints(6), 1, 17, 1, big, 17));
    refused("logits has", () -> k.route(ROUTE, bytes(32), NULL, 0, 5, big, big));
    refused("weights_out has", () -> k.route(ROUTE, big, NULL, 0, 5, big, bytes(56)));
    refused("partial_out has", () -> k.merge(MERGE, bytes(900), big, 0, 5, 0, 3, big, big));
    refused("a has", () -> append(k, bytes(4), pages(), big));
    refused("page_table has", () -> append(k, big, ints(3, 0, 6, 2), big));
    refused("cache has", () -> append(k, big, pages(), bytes(6 * 512 + 2 * 192 - 4)));
    refused("rope range is 0..4", () -> k.rope(rotationOf(4, 3), big, big, big, 0, 5, big));
  }

  private static RopeParams rotationOf(int rope, int width) {
    return new RopeParams(TOKENS, HEADS, width, rope, RopeLayout.HALVES, 24, 8, 24, 8);
  }

  private void append(NativeKernels k, MemorySegment a, MemorySegment pages, MemorySegment cache) {
    MemorySegment big = bytes(4096);
    k.append(APPEND, CACHE, a, NULL, big, big, pages, 0, TOKENS, cache);
  }

  @Test
  void aPageOutsideOfThePoolIsRefused() {
    NativeKernels k = Natives.library().kernels(null);
    MemorySegment big = bytes(1 << 16);
    for (int page : new int[] {-1, 7, Integer.MAX_VALUE}) {
      refused("page_table", () -> append(k, big, ints(3, 0, page, 2, 5), big));
      refused("page_table", () -> attend(k, ABSORBED, ints(3, page, 6, 2, 5), big));
    }
    refused(
        "workspace has",
        () ->
            attend(k, ABSORBED, pages(), bytes(k.attentionWorkspace(ABSORBED, CACHE, false) - 1)));
  }

  private void attend(
      NativeKernels k, AttentionParams p, MemorySegment pages, MemorySegment workspace) {
    MemorySegment big = bytes(1 << 16);
    k.attendAbsorbed(
        p, CACHE, big, big, pages, NULL, 0, HEADS, 0, TOKENS, 0, 9, big, bytes(60), workspace);
  }

  @Test
  void stridesThatOverflowAreTooLarge() {
    NativeKernels k = Natives.library().kernels(null);
    MemorySegment big = bytes(1 << 16);
    for (long stride : new long[] {Long.MAX_VALUE, Long.MAX_VALUE / 4, 1L << 61, 1L << 40}) {
      refused("x has", () -> k.add(big, stride, big, 17, 1, 5, 17, big, 17));
      refused("y has", () -> k.add(big, 17, big, 17, 1, 5, 17, big, stride));
      refused(
          "cache has",
          () -> {
            CacheParams c = new CacheParams(CACHE.layout(), 2, 7, stride);
            k.append(APPEND, c, big, NULL, big, big, pages(), 0, TOKENS, big);
          });
    }
    refused("stride is -1", () -> k.add(big, -1, big, 17, 1, 5, 17, big, 17));
    refused("rows is -5", () -> k.add(big, 17, big, 17, 1, -5, 17, big, 17));
  }

  @Test
  void otherMemoryIsRefused() {
    NativeKernels k = Natives.library().kernels(null);
    MemorySegment big = bytes(4096);
    MemorySegment heap = MemorySegment.ofArray(new float[100]);
    refused("x is on the Java heap", () -> k.add(heap, 17, big, 17, 1, 5, 17, big, 17));
    refused("y is on the Java heap", () -> k.add(big, 17, big, 17, 1, 5, 17, heap, 17));
    refused("y is read-only", () -> k.add(big, 17, big, 17, 1, 5, 17, big.asReadOnly(), 17));
    refused("r is at", () -> k.add(big, 17, big.asSlice(2), 17, 1, 5, 17, big, 17));
    k.add(big.asReadOnly(), 17, big, 17, 1, 5, 17, big, 17);
    refused("packed is at", () -> k.pack(LINEAR, big, NULL, 0, 5, bytes(1 << 16).asSlice(32)));
  }

  @Test
  void emptyRangesTouchNothing() {
    NativeKernels k = Natives.library().kernels(null);
    k.add(NULL, 17, NULL, 17, 1, 0, 17, NULL, 17);
  }

  @Test
  void functionsThatATableLacksAreNamed() {
    NativeKernels empty = new FakeTable(arena).kernels();
    Map<String, Executable> calls = new LinkedHashMap<>();
    calls.put("packed_bytes", () -> empty.packedBytes(LINEAR));
    calls.put("attention_workspace", () -> empty.attentionWorkspace(ABSORBED, CACHE, false));
    calls.put("probe", () -> empty.probe(NativeProbe.FMA_F32, 1, NULL));
    calls.put("rms_norm", () -> empty.rmsNorm(floats(8), 8, floats(8), 1e-6f, 1, 8, floats(8), 8));
    calls.put("swiglu", () -> empty.swiglu(floats(8), 8, floats(8), 8, 1, 8, floats(8), 8));
    calls.put("add", () -> empty.add(floats(8), 8, floats(8), 8, 1, 1, 8, floats(8), 8));
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
      assertEquals(
          isa.equals("avx512bf16"), kernels.probe(NativeProbe.DOT_BF16, 1, NULL).isPresent());
    }
    NativeKernels kernels = Natives.library().kernels(null);
    assertThrows(
        InvalidArgumentException.class, () -> kernels.probe(NativeProbe.FMA_F32, -1, NULL));
    assertThrows(
        InvalidArgumentException.class,
        () -> kernels.probe(NativeProbe.READ, 1, arena.allocate(65, 64)));
  }
}

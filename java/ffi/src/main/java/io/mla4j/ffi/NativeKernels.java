package io.mla4j.ffi;

import static io.mla4j.ffi.Segments.bytes;
import static io.mla4j.ffi.Segments.extent;
import static io.mla4j.ffi.Segments.input;
import static io.mla4j.ffi.Segments.input4;
import static io.mla4j.ffi.Segments.notNegative;
import static io.mla4j.ffi.Segments.optional4;
import static io.mla4j.ffi.Segments.output;
import static io.mla4j.ffi.Segments.output4;
import static io.mla4j.ffi.Segments.range;

import io.mla4j.AttentionCosts;
import io.mla4j.BackendException;
import io.mla4j.InvalidArgumentException;
import io.mla4j.ffi.abi.Mla;
import io.mla4j.ffi.abi.mla_kernels;
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
import java.util.OptionalLong;

/**
 * The kernels of one table of the library, one downcall for each.
 *
 * <p>Every segment is checked against the elements that the call touches before its address leaves
 * Java, and is an argument of its own: the runtime keeps its arena open until the call returns, so
 * closing it meanwhile throws {@link IllegalStateException}. A function that the library lacks
 * throws {@link BackendException} with its name.
 */
public final class NativeKernels implements TileKernels {
  private static final long WORKSPACE_ALIGNMENT = 64;

  private final String isa;
  private final boolean prefersBf16;
  private final AttentionCosts attentionCosts;
  private final int rowMultiple;
  private final MemorySegment packedBytes;
  private final MemorySegment pack;
  private final MemorySegment linear;
  private final MemorySegment headLinear;
  private final MemorySegment attentionWorkspace;
  private final MemorySegment attendAbsorbed;
  private final MemorySegment attendDecompressed;
  private final MemorySegment merge;
  private final MemorySegment append;
  private final MemorySegment rope;
  private final MemorySegment rmsNorm;
  private final MemorySegment swiglu;
  private final MemorySegment add;
  private final MemorySegment embed;
  private final MemorySegment route;
  private final MemorySegment combine;
  private final MemorySegment probe;

  /** {@code table}: a {@code mla_kernels} that outlives this object. */
  NativeKernels(String isa, MemorySegment table) {
    this.isa = isa;
    prefersBf16 = mla_kernels.prefers_bf16(table) != 0;
    attentionCosts =
        mla_kernels.cost_absorbed(table) == 0
            ? AttentionCosts.EVEN
            : new AttentionCosts(
                mla_kernels.cost_absorbed(table),
                mla_kernels.cost_project(table),
                mla_kernels.cost_decompressed(table),
                mla_kernels.cost_rebuild(table),
                mla_kernels.cost_start(table));
    rowMultiple = mla_kernels.row_multiple(table);
    packedBytes = mla_kernels.packed_bytes(table);
    pack = mla_kernels.pack(table);
    linear = mla_kernels.linear(table);
    headLinear = mla_kernels.head_linear(table);
    attentionWorkspace = mla_kernels.attention_workspace(table);
    attendAbsorbed = mla_kernels.attend_absorbed(table);
    attendDecompressed = mla_kernels.attend_decompressed(table);
    merge = mla_kernels.merge(table);
    append = mla_kernels.append(table);
    rope = mla_kernels.rope(table);
    rmsNorm = mla_kernels.rms_norm(table);
    swiglu = mla_kernels.swiglu(table);
    add = mla_kernels.add(table);
    embed = mla_kernels.embed(table);
    route = mla_kernels.route(table);
    combine = mla_kernels.combine(table);
    probe = mla_kernels.probe(table);
  }

  /**
   * Links the functions that every step of a model calls, in the order of their first calls. Else
   * each is linked when it is first called, which takes milliseconds.
   */
  static void link() {
    try (Arena arena = Arena.ofConfined()) {
      NativeMemory.allocate(1, arena);
    }
    CallScratch.ofThread();
    mla_kernels.embed.descriptor();
    mla_kernels.rms_norm.descriptor();
    mla_kernels.packed_bytes.descriptor();
    mla_kernels.pack.descriptor();
    mla_kernels.linear.descriptor();
    mla_kernels.rope.descriptor();
    mla_kernels.append.descriptor();
    mla_kernels.head_linear.descriptor();
    mla_kernels.attention_workspace.descriptor();
    mla_kernels.attend_absorbed.descriptor();
    mla_kernels.add.descriptor();
    mla_kernels.swiglu.descriptor();
    mla_kernels.route.descriptor();
    mla_kernels.combine.descriptor();
  }

  /** A library may lack a function: its entry of the table is NULL. */
  private MemorySegment present(String name, MemorySegment function) {
    if (function.address() == 0) {
      throw new BackendException("the library's kernels for " + isa + " have no function " + name);
    }
    return function;
  }

  /** Whether the library merges partial results itself; one that never needs it need not. */
  public boolean hasMerge() {
    return merge.address() != 0;
  }

  /**
   * What the processor can do at best: repeats {@code what} {@code count} times.
   *
   * @param memory read by {@link NativeProbe#READ} alone, a multiple of 64 bytes
   * @return the operations done, of which a multiply-add has two, or the bytes read; empty where
   *     the instruction set lacks the instruction
   * @throws BackendException where the library has no probes
   */
  public OptionalLong probe(NativeProbe what, long count, MemorySegment memory) {
    if (count < 0 || memory.byteSize() % WORKSPACE_ALIGNMENT != 0) {
      throw new InvalidArgumentException(
          "count is "
              + count
              + " and memory has "
              + memory.byteSize()
              + " bytes, but must be at least 0 and a multiple of "
              + WORKSPACE_ALIGNMENT);
    }
    long done =
        mla_kernels.probe.invoke(
            present("probe", probe), what.code(), count, memory, memory.byteSize());
    return done < 0 ? OptionalLong.empty() : OptionalLong.of(done);
  }

  @Override
  public String isa() {
    return isa;
  }

  @Override
  public boolean prefersBf16() {
    return prefersBf16;
  }

  @Override
  public int rowMultiple() {
    return rowMultiple;
  }

  @Override
  public AttentionCosts attentionCosts() {
    return attentionCosts;
  }

  @Override
  public long packedBytes(LinearParams params) {
    long bytes =
        mla_kernels.packed_bytes.invoke(
            present("packed_bytes", packedBytes), CallScratch.ofThread().fill(params));
    if (bytes < 0) {
      throw new InvalidArgumentException("the native kernels refuse " + params);
    }
    return bytes;
  }

  @Override
  public void pack(
      LinearParams p,
      MemorySegment x,
      MemorySegment indices,
      int rowBegin,
      int rowEnd,
      MemorySegment packed) {
    range("row", rowBegin, rowEnd, p.rows());
    if (Segments.isNull(indices)) {
      input4("x", x, extent(rowEnd, p.xStride(), p.k()));
    } else {
      input4("indices", indices, rowEnd);
      input4("x", x, extent(sourceRows(indices, rowBegin, rowEnd), p.xStride(), p.k()));
    }
    output("packed", packed, packedBytes(p), WORKSPACE_ALIGNMENT);
    CallScratch s = CallScratch.ofThread();
    check(
        s,
        mla_kernels.pack.invoke(
            present("pack", pack),
            s.fill(p),
            x,
            indices,
            rowBegin,
            rowEnd,
            packed,
            packed.byteSize(),
            s.error,
            s.errorBytes()));
  }

  /**
   * One more than the largest row of x that is packed: the library does not know how many there
   * are.
   */
  private static int sourceRows(MemorySegment indices, int rowBegin, int rowEnd) {
    int largest = -1;
    for (int i = rowBegin; i < rowEnd; i++) {
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
  public void linear(
      LinearParams p,
      MemorySegment packed,
      MemorySegment weight,
      MemorySegment scales,
      MemorySegment bias,
      int nBegin,
      int nEnd,
      MemorySegment y) {
    range("n", nBegin, nEnd, p.n());
    requireNoScales("scales", scales);
    input("packed", packed, packedBytes(p), WORKSPACE_ALIGNMENT);
    weight("weight", weight, p.weightType(), extent(nEnd, p.weightStride(), p.k()));
    optional4("bias", bias, nEnd);
    output4("y", y, extent(p.rows(), p.yStride(), nEnd));
    CallScratch s = CallScratch.ofThread();
    check(
        s,
        mla_kernels.linear.invoke(
            present("linear", linear),
            s.fill(p),
            packed,
            weight,
            bias,
            nBegin,
            nEnd,
            y,
            s.error,
            s.errorBytes()));
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
    range("head", headBegin, headEnd, p.heads());
    range("token", tokenBegin, tokenEnd, p.tokens());
    requireNoScales("scales", scales);
    int rows = p.transposed() ? p.in() : p.out();
    int columns = p.transposed() ? p.out() : p.in();
    input4("x", x, extent(tokenEnd, p.xTokenStride(), headEnd, p.xHeadStride(), p.in()));
    weight(
        "weight",
        weight,
        p.weightType(),
        extent(headEnd, p.weightHeadStride(), rows, p.weightStride(), columns));
    output4("y", y, extent(tokenEnd, p.yTokenStride(), headEnd, p.yHeadStride(), p.out()));
    CallScratch s = CallScratch.ofThread();
    check(
        s,
        mla_kernels.head_linear.invoke(
            present("head_linear", headLinear),
            s.fill(p),
            x,
            weight,
            headBegin,
            headEnd,
            tokenBegin,
            tokenEnd,
            y,
            s.error,
            s.errorBytes()));
  }

  @Override
  public long attentionWorkspace(
      AttentionParams params, CacheParams cacheParams, boolean decompressed) {
    CallScratch s = CallScratch.ofThread();
    long bytes =
        mla_kernels.attention_workspace.invoke(
            present("attention_workspace", attentionWorkspace),
            s.fill(params),
            s.fill(cacheParams),
            decompressed ? 1 : 0);
    if (bytes < 0) {
      throw new InvalidArgumentException(
          "the native kernels refuse " + params + " over " + cacheParams);
    }
    return bytes;
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
    range("kv", kvBegin, kvEnd, p.kvTokens());
    int latent = c.layout().latent();
    int width = (p.keyOffset() == 0 ? latent : 0) + c.layout().rope();
    attention(p, c, q, width, headBegin, headEnd, queryBegin, queryEnd);
    cache(c, cache, pageTable, p.kvTokens());
    optional4("alibi_slopes", alibiSlopes, p.heads());
    results(p, out, latent, lse, headEnd, queryEnd);
    output("workspace", workspace, attentionWorkspace(p, c, false), WORKSPACE_ALIGNMENT);
    CallScratch s = CallScratch.ofThread();
    check(
        s,
        mla_kernels.attend_absorbed.invoke(
            present("attend_absorbed", attendAbsorbed),
            s.fill(p),
            s.fill(c),
            q,
            cache,
            pageTable,
            alibiSlopes,
            headBegin,
            headEnd,
            queryBegin,
            queryEnd,
            kvBegin,
            kvEnd,
            out,
            lse,
            workspace,
            workspace.byteSize(),
            s.error,
            s.errorBytes()));
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
    notNegative("nope", p.nope());
    notNegative("value", p.value());
    requireNoScales("kv_b_scales", kvBScales);
    attention(
        p, c, q, (long) p.nope() + c.layout().rope(), headBegin, headEnd, queryBegin, queryEnd);
    weight(
        "kv_b",
        kvB,
        p.weightType(),
        extent(
            headEnd,
            p.weightHeadStride(),
            (long) p.nope() + p.value(),
            p.weightStride(),
            c.layout().latent()));
    cache(c, cache, pageTable, p.kvTokens());
    optional4("alibi_slopes", alibiSlopes, p.heads());
    results(p, out, p.value(), lse, headEnd, queryEnd);
    output("workspace", workspace, attentionWorkspace(p, c, true), WORKSPACE_ALIGNMENT);
    CallScratch s = CallScratch.ofThread();
    check(
        s,
        mla_kernels.attend_decompressed.invoke(
            present("attend_decompressed", attendDecompressed),
            s.fill(p),
            s.fill(c),
            q,
            kvB,
            cache,
            pageTable,
            alibiSlopes,
            headBegin,
            headEnd,
            queryBegin,
            queryEnd,
            out,
            lse,
            workspace,
            workspace.byteSize(),
            s.error,
            s.errorBytes()));
  }

  private static void attention(
      AttentionParams p,
      CacheParams c,
      MemorySegment q,
      long width,
      int headBegin,
      int headEnd,
      int queryBegin,
      int queryEnd) {
    range("head", headBegin, headEnd, p.heads());
    range("query", queryBegin, queryEnd, p.queryTokens());
    input4("q", q, extent(queryEnd, p.qTokenStride(), headEnd, p.qHeadStride(), width));
  }

  private static void results(
      AttentionParams p,
      MemorySegment out,
      long width,
      MemorySegment lse,
      int headEnd,
      int queryEnd) {
    output4("out", out, extent(queryEnd, p.outTokenStride(), headEnd, p.outHeadStride(), width));
    output4("lse", lse, extent(queryEnd, p.lseTokenStride(), headEnd, p.lseHeadStride(), 1));
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
    range("token", tokenBegin, tokenEnd, p.tokens());
    range("head", headBegin, headEnd, p.heads());
    notNegative("width", p.width());
    long part = extent(tokenEnd, p.partTokenStride(), headEnd, p.partHeadStride(), p.width());
    long partLse = extent(tokenEnd, p.partLseTokenStride(), headEnd, p.partLseHeadStride(), 1);
    input4("partial_out", partialOut, part == 0 ? 0 : extent(p.parts(), p.partStride(), part));
    input4(
        "partial_lse",
        partialLse,
        partLse == 0 ? 0 : extent(p.parts(), p.partLseStride(), partLse));
    output4(
        "out", out, extent(tokenEnd, p.outTokenStride(), headEnd, p.outHeadStride(), p.width()));
    if (!Segments.isNull(lse)) {
      output4("lse", lse, extent(tokenEnd, p.lseTokenStride(), headEnd, p.lseHeadStride(), 1));
    }
    CallScratch s = CallScratch.ofThread();
    check(
        s,
        mla_kernels.merge.invoke(
            present("merge", merge),
            s.fill(p),
            partialOut,
            partialLse,
            tokenBegin,
            tokenEnd,
            headBegin,
            headEnd,
            out,
            lse,
            s.error,
            s.errorBytes()));
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
    range("token", tokenBegin, tokenEnd, p.tokens());
    notNegative("position", p.position());
    int latent = c.layout().latent();
    int rope = c.layout().rope();
    input4("a", a, extent(tokenEnd, p.aStride(), latent + rope));
    optional4("norm_weight", normWeight, latent);
    angles(cosines, sines, tokenEnd, rope);
    cache(c, cache, pageTable, (long) p.position() + tokenEnd);
    if (cache.isReadOnly()) {
      throw new InvalidArgumentException("cache is read-only, but is written");
    }
    CallScratch s = CallScratch.ofThread();
    check(
        s,
        mla_kernels.append.invoke(
            present("append", append),
            s.fill(p),
            s.fill(c),
            a,
            normWeight,
            cosines,
            sines,
            pageTable,
            tokenBegin,
            tokenEnd,
            cache,
            s.error,
            s.errorBytes()));
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
    range("token", tokenBegin, tokenEnd, p.tokens());
    notNegative("heads", p.heads());
    notNegative("width", p.width());
    range("rope", 0, p.rope(), p.width());
    input4("x", x, extent(tokenEnd, p.xTokenStride(), p.heads(), p.xHeadStride(), p.width()));
    angles(cosines, sines, tokenEnd, p.rope());
    output4("y", y, extent(tokenEnd, p.yTokenStride(), p.heads(), p.yHeadStride(), p.width()));
    CallScratch s = CallScratch.ofThread();
    check(
        s,
        mla_kernels.rope.invoke(
            present("rope", rope),
            s.fill(p),
            x,
            cosines,
            sines,
            tokenBegin,
            tokenEnd,
            y,
            s.error,
            s.errorBytes()));
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
    matrix(rows, width);
    input4("x", x, extent(rows, xStride, width));
    input4("weight", weight, width);
    output4("y", y, extent(rows, yStride, width));
    CallScratch s = CallScratch.ofThread();
    check(
        s,
        mla_kernels.rms_norm.invoke(
            present("rms_norm", rmsNorm),
            x,
            xStride,
            weight,
            eps,
            rows,
            width,
            y,
            yStride,
            s.error,
            s.errorBytes()));
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
    matrix(rows, width);
    input4("gate", gate, extent(rows, gateStride, width));
    input4("up", up, extent(rows, upStride, width));
    output4("y", y, extent(rows, yStride, width));
    CallScratch s = CallScratch.ofThread();
    check(
        s,
        mla_kernels.swiglu.invoke(
            present("swiglu", swiglu),
            gate,
            gateStride,
            up,
            upStride,
            rows,
            width,
            y,
            yStride,
            s.error,
            s.errorBytes()));
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
    matrix(rows, width);
    input4("x", x, extent(rows, xStride, width));
    input4("r", r, extent(rows, rStride, width));
    output4("y", y, extent(rows, yStride, width));
    CallScratch s = CallScratch.ofThread();
    check(
        s,
        mla_kernels.add.invoke(
            present("add", add),
            x,
            xStride,
            r,
            rStride,
            scale,
            rows,
            width,
            y,
            yStride,
            s.error,
            s.errorBytes()));
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
    matrix(count, width);
    weight("table", table, tableType, extent(vocabulary, tableStride, width));
    input4("ids", ids, count);
    output4("y", y, extent(count, yStride, width));
    CallScratch s = CallScratch.ofThread();
    check(
        s,
        mla_kernels.embed.invoke(
            present("embed", embed),
            CallScratch.code(tableType),
            table,
            tableStride,
            vocabulary,
            ids,
            count,
            width,
            scale,
            y,
            yStride,
            s.error,
            s.errorBytes()));
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
    range("token", tokenBegin, tokenEnd, p.tokens());
    int experts = p.routing().experts();
    long chosen = (long) tokenEnd * p.routing().topK();
    input4("logits", logits, extent(tokenEnd, p.logitsStride(), experts));
    optional4("bias", bias, experts);
    output4("experts_out", expertsOut, chosen);
    output4("weights_out", weightsOut, chosen);
    CallScratch s = CallScratch.ofThread();
    check(
        s,
        mla_kernels.route.invoke(
            present("route", route),
            s.fill(p),
            logits,
            bias,
            tokenBegin,
            tokenEnd,
            expertsOut,
            weightsOut,
            s.error,
            s.errorBytes()));
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
    matrix(tokens, width);
    notNegative("slot_count", slotCount);
    notNegative("top_k", topK);
    input4("expert_out", expertOut, extent(slotCount, expertOutStride, width));
    input4("slots", slots, (long) tokens * topK);
    input4("weights", weights, (long) tokens * topK);
    optional4("shared", shared, extent(tokens, sharedStride, width));
    output4("y", y, extent(tokens, yStride, width));
    CallScratch s = CallScratch.ofThread();
    check(
        s,
        mla_kernels.combine.invoke(
            present("combine", combine),
            expertOut,
            expertOutStride,
            slotCount,
            slots,
            weights,
            shared,
            sharedStride,
            tokens,
            topK,
            width,
            y,
            yStride,
            s.error,
            s.errorBytes()));
  }

  private static void matrix(int rows, int width) {
    notNegative("rows", rows);
    notNegative("width", width);
  }

  private static void weight(
      String name, MemorySegment segment, StorageFormat type, long elements) {
    input(name, segment, type.bytes(elements), Integer.lowestOneBit(type.blockBytes()));
  }

  private static void angles(MemorySegment cosines, MemorySegment sines, int tokens, int rope) {
    long count = (long) tokens * (rope / 2);
    input4("cosines", cosines, count);
    input4("sines", sines, count);
  }

  /**
   * All pages of the pool, and the page ids of {@code tokens} tokens: the library checks the ids
   * themselves.
   */
  private static void cache(
      CacheParams c, MemorySegment cache, MemorySegment pageTable, long tokens) {
    notNegative("kv_tokens", tokens);
    notNegative("page_stride_bytes", c.pageStrideBytes());
    if (c.pageSize() < 1 || c.pageCount() < 0) {
      throw new InvalidArgumentException(
          "page_size is "
              + c.pageSize()
              + " and page_count "
              + c.pageCount()
              + ", but they must be at least 1 and 0");
    }
    long pageBytes = Segments.product(c.pageSize(), c.layout().rowStrideBytes());
    input(
        "cache",
        cache,
        extent(c.pageCount(), c.pageStrideBytes(), pageBytes),
        c.layout().type().format().blockBytes());
    input4("page_table", pageTable, (tokens + c.pageSize() - 1) / c.pageSize());
  }

  private static void requireNoScales(String name, MemorySegment scales) {
    if (!Segments.isNull(scales)) {
      throw new InvalidArgumentException(name + " are unsupported by the native kernels");
    }
  }

  /** Turns a status and the library's text into an exception. */
  private static void check(CallScratch scratch, int status) {
    if (status == Mla.MLA_OK()) {
      return;
    }
    String text = scratch.error.getString(0);
    // The next failure may come without a text.
    scratch.error.set(ValueLayout.JAVA_BYTE, 0, (byte) 0);
    if (text.isEmpty()) {
      text =
          status == Mla.MLA_UNSUPPORTED()
              ? "the library does not support it"
              : "the library refuses it with status " + status + " and no text";
    }
    if (status == Mla.MLA_INVALID_ARGUMENT()
        || status == Mla.MLA_UNSUPPORTED()
        || status == Mla.MLA_WORKSPACE_TOO_SMALL()) {
      throw new InvalidArgumentException(text);
    }
    throw new BackendException("the native kernel failed with status " + status + ": " + text);
  }
}

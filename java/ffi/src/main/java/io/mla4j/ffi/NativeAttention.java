package io.mla4j.ffi;

import static io.mla4j.ffi.Segments.extent;
import static io.mla4j.ffi.Segments.input;
import static io.mla4j.ffi.Segments.input4;
import static io.mla4j.ffi.Segments.notNegative;
import static io.mla4j.ffi.Segments.optional4;
import static io.mla4j.ffi.Segments.output;
import static io.mla4j.ffi.Segments.output4;
import static io.mla4j.ffi.Segments.weight;

import io.mla4j.CacheType;
import io.mla4j.InvalidArgumentException;
import io.mla4j.ffi.abi.mla_append_params;
import io.mla4j.ffi.abi.mla_attention_params;
import io.mla4j.ffi.abi.mla_cache_params;
import io.mla4j.ffi.abi.mla_head_linear_params;
import io.mla4j.ffi.abi.mla_kernels;
import io.mla4j.ops.AppendLatent;
import io.mla4j.ops.HeadMatrices;
import io.mla4j.ops.Tensor;
import io.mla4j.spi.AppendTile;
import io.mla4j.spi.AttentionTile;
import io.mla4j.spi.CachePages;
import io.mla4j.spi.CacheParams;
import io.mla4j.spi.Tile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** The library's operations on the pages of a sequence, prepared anew for every step. */
final class NativeAttention {
  private NativeAttention() {}

  /**
   * All pages of the pool, and the page ids of {@code tokens} tokens: the library checks the ids
   * themselves.
   */
  static void pages(CachePages p, long tokens) {
    CacheParams c = p.cache();
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
    long pageBytes = Segments.product(c.pageSize(), c.layout().tokenBytes());
    CacheType type = c.layout().type();
    input(
        "cache",
        p.pages(),
        extent(c.pageCount(), c.pageStrideBytes(), pageBytes),
        Segments.alignment(type.hasScales() ? type.scaleFormat() : type.format()));
    input4("page_table", p.pageTable(), Math.ceilDiv(tokens, (long) c.entryTokens()));
  }

  /** New tokens. */
  static final class Append extends NativeTile {
    private final AppendTile a;
    private final AppendLatent o;
    private final MemorySegment params = mla_append_params.allocate(Arena.ofAuto());
    private final MemorySegment cacheParams = mla_cache_params.allocate(Arena.ofAuto());
    private final MemorySegment norm;
    private MemorySegment rows = NULL;
    private MemorySegment cosines = NULL;
    private MemorySegment sines = NULL;

    Append(NativeTable table, AppendTile a) {
      super(table.function("append", mla_kernels.append(table.segment())));
      this.a = a;
      o = a.operation();
      norm = o.normWeight() == null ? NULL : o.normWeight().segment();
    }

    @Override
    public void prepare() {
      notNegative("position", a.position());
      int latent = a.cache().layout().latent();
      int rope = a.cache().layout().rope();
      Tensor x = o.latentAndKey();
      rows = x.segmentFrom(a.firstToken());
      cosines = o.rotation().cosines().segmentFrom(a.firstToken());
      sines = o.rotation().sines().segmentFrom(a.firstToken());
      input4("latent_and_key", rows, extent(a.tokens(), x.stride(0), latent + rope));
      optional4("norm_weight", norm, latent);
      input4("cosines", cosines, (long) a.tokens() * (rope / 2));
      input4("sines", sines, (long) a.tokens() * (rope / 2));
      pages(a, (long) a.position() + a.tokens());
      if (a.pages().isReadOnly()) {
        throw new InvalidArgumentException("cache is read-only, but is written");
      }
      NativeParams.fill(params, a);
      NativeParams.fill(cacheParams, a.cache());
    }

    @Override
    public void run(Tile tile) {
      check(
          tile,
          mla_kernels.append.invoke(
              function,
              params,
              cacheParams,
              rows,
              norm,
              cosines,
              sines,
              a.pageTable(),
              tile.rowBegin(),
              tile.rowEnd(),
              a.pages(),
              tile.error(),
              errorBytes(tile)));
    }
  }

  /** Either form. */
  private abstract static class Attention extends NativeTile {
    final AttentionTile a;
    final MemorySegment params = mla_attention_params.allocate(Arena.ofAuto());
    final MemorySegment cacheParams = mla_cache_params.allocate(Arena.ofAuto());
    final MemorySegment slopes;
    private final MemorySegment workspace;
    private long bytes;

    Attention(NativeTable table, MemorySegment function, AttentionTile a) {
      super(function);
      this.a = a;
      slopes = a.slopes();
      workspace =
          table.function("attention_workspace", mla_kernels.attention_workspace(table.segment()));
      NativeParams.fillConstants(params, a);
    }

    @Override
    public void prepare() {
      int queries = a.queryTokens();
      int heads = a.heads();
      input4("q", a.q(), extent(queries, a.qTokenStride(), heads, a.qHeadStride(), a.queryWidth()));
      optional4("alibi_slopes", slopes, heads);
      long out = extent(queries, a.outTokenStride(), heads, a.outHeadStride(), a.outWidth());
      long lse = extent(queries, a.lseTokenStride(), heads, a.lseHeadStride(), 1);
      for (int i = 0; i < a.parts(); i++) {
        output4("out", a.out(i), out);
        output4("lse", a.lse(i), lse);
      }
      pages(a, a.kvTokens());
      NativeParams.fillStep(params, a);
      NativeParams.fill(cacheParams, a.cache());
      bytes =
          mla_kernels.attention_workspace.invoke(
              workspace, params, cacheParams, keyParams(), valueParams());
      if (bytes < 0) {
        throw new InvalidArgumentException(
            "the native kernels refuse "
                + a.name()
                + " of "
                + queries
                + " queries of "
                + heads
                + " heads over "
                + a.kvTokens()
                + " tokens of "
                + a.cache());
      }
    }

    @Override
    public long workspaceBytes() {
      return bytes;
    }

    /** How keys are made of latents; NULL where they are the latents themselves. */
    MemorySegment keyParams() {
      return NULL;
    }

    MemorySegment valueParams() {
      return NULL;
    }

    final MemorySegment workspace(Tile tile) {
      output("workspace", tile.workspace(), bytes, WORKSPACE_ALIGNMENT);
      return tile.workspace();
    }
  }

  /** Over the latents themselves. */
  static final class Absorbed extends Attention {
    Absorbed(NativeTable table, AttentionTile a) {
      super(
          table,
          table.function("attend_absorbed", mla_kernels.attend_absorbed(table.segment())),
          a);
    }

    @Override
    public void run(Tile tile) {
      MemorySegment workspace = workspace(tile);
      check(
          tile,
          mla_kernels.attend_absorbed.invoke(
              function,
              params,
              cacheParams,
              a.q(),
              a.pages(),
              a.pageTable(),
              slopes,
              tile.headBegin(),
              tile.headEnd(),
              tile.rowBegin(),
              tile.rowEnd(),
              tile.keyBegin(),
              tile.keyEnd(),
              a.out(tile.part()),
              a.lse(tile.part()),
              workspace,
              workspace.byteSize(),
              tile.error(),
              errorBytes(tile)));
    }
  }

  /** Over keys and values that are rebuilt. */
  static final class Decompressed extends Attention {
    private final MemorySegment keyParams = mla_head_linear_params.allocate(Arena.ofAuto());
    private final MemorySegment valueParams = mla_head_linear_params.allocate(Arena.ofAuto());
    private final MemorySegment keyWeight;
    private final MemorySegment keyScales;
    private final MemorySegment valueWeight;
    private final MemorySegment valueScales;

    Decompressed(NativeTable table, AttentionTile a) {
      super(
          table,
          table.function("attend_decompressed", mla_kernels.attend_decompressed(table.segment())),
          a);
      keyWeight = a.keys().segment();
      keyScales = a.keys().weight().scaleSegment();
      valueWeight = a.values().segment();
      valueScales = a.values().weight().scaleSegment();
    }

    @Override
    MemorySegment keyParams() {
      return keyParams;
    }

    @Override
    MemorySegment valueParams() {
      return valueParams;
    }

    @Override
    public void prepare() {
      int latent = a.cache().layout().latent();
      NativeParams.fill(keyParams, a.compute(), a.keys(), a.heads(), latent, a.nope());
      NativeParams.fill(valueParams, a.compute(), a.values(), a.heads(), latent, a.value());
      super.prepare();
      requireMatrices("keys", a.keys(), latent, a.nope());
      requireMatrices("values", a.values(), latent, a.value());
    }

    private void requireMatrices(String name, HeadMatrices matrices, int latent, int width) {
      int rows = matrices.transposed() ? latent : width;
      int columns = matrices.transposed() ? width : latent;
      weight(
          name,
          matrices.segment(),
          matrices.weight().format(),
          extent(a.heads(), matrices.headStride(), rows, matrices.stride(), columns));
      Segments.scales(name, matrices.weight());
    }

    @Override
    public void run(Tile tile) {
      MemorySegment workspace = workspace(tile);
      check(
          tile,
          mla_kernels.attend_decompressed.invoke(
              function,
              params,
              cacheParams,
              keyParams,
              valueParams,
              a.q(),
              keyWeight,
              keyScales,
              valueWeight,
              valueScales,
              a.pages(),
              a.pageTable(),
              slopes,
              tile.headBegin(),
              tile.headEnd(),
              tile.rowBegin(),
              tile.rowEnd(),
              a.out(tile.part()),
              a.lse(tile.part()),
              workspace,
              workspace.byteSize(),
              tile.error(),
              errorBytes(tile)));
    }
  }
}

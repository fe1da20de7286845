package io.mla4j.ffi;

import static io.mla4j.ffi.Segments.extent;
import static io.mla4j.ffi.Segments.input4;
import static io.mla4j.ffi.Segments.output;
import static io.mla4j.ffi.Segments.output4;
import static io.mla4j.ffi.Segments.range;

import io.mla4j.InvalidArgumentException;
import io.mla4j.ffi.abi.mla_cache_params;
import io.mla4j.ffi.abi.mla_index_params;
import io.mla4j.ffi.abi.mla_kernels;
import io.mla4j.spi.ChoiceTile;
import io.mla4j.spi.ScoreTile;
import io.mla4j.spi.Tile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** The library's indexer of sparse attention, prepared anew for every step. */
final class NativeIndexer {
  private NativeIndexer() {}

  /** Scores of keys. */
  static final class Score extends NativeTile {
    private final ScoreTile s;
    private final MemorySegment params = mla_index_params.allocate(Arena.ofAuto());
    private final MemorySegment cacheParams = mla_cache_params.allocate(Arena.ofAuto());
    private final MemorySegment workspace;
    private long bytes;

    Score(NativeTable table, ScoreTile s) {
      super(table.function("index_scores", mla_kernels.index_scores(table.segment())));
      this.s = s;
      workspace = table.function("index_workspace", mla_kernels.index_workspace(table.segment()));
    }

    @Override
    public void prepare() {
      int queries = s.queryTokens();
      input4("q", s.q(), extent(queries, s.qTokenStride(), s.heads(), s.qHeadStride(), s.width()));
      input4("weights", s.weights(), extent(queries, s.weightStride(), s.heads()));
      output4("scores", s.scores(), extent(queries, s.scoreStride(), s.kvTokens()));
      NativeAttention.pages(s, s.kvTokens());
      NativeParams.fill(params, s);
      NativeParams.fill(cacheParams, s.cache());
      bytes = mla_kernels.index_workspace.invoke(workspace, params, cacheParams);
      if (bytes < 0) {
        throw new InvalidArgumentException(
            "the native kernels refuse "
                + s.name()
                + " of "
                + queries
                + " queries of "
                + s.heads()
                + " heads over "
                + s.kvTokens()
                + " tokens of "
                + s.cache());
      }
    }

    @Override
    public long workspaceBytes() {
      return bytes;
    }

    @Override
    public void run(Tile tile) {
      output("workspace", tile.workspace(), bytes, WORKSPACE_ALIGNMENT);
      check(
          tile,
          mla_kernels.index_scores.invoke(
              function,
              params,
              cacheParams,
              s.q(),
              s.weights(),
              s.pages(),
              s.pageTable(),
              tile.rowBegin(),
              tile.rowEnd(),
              tile.keyBegin(),
              tile.keyEnd(),
              s.scores(),
              tile.workspace(),
              tile.workspace().byteSize(),
              tile.error(),
              errorBytes(tile)));
    }
  }

  /** The positions of the largest scores. */
  static final class Choice extends NativeTile {
    private final ChoiceTile c;

    Choice(NativeTable table, ChoiceTile c) {
      super(table.function("top_k", mla_kernels.top_k(table.segment())));
      this.c = c;
    }

    @Override
    public void prepare() {
      int rows = c.rows();
      if (rows > 0 && c.count(rows - 1) > c.topK()) {
        input4("scores", c.scores(), extent(rows, c.scoreStride(), c.count(rows - 1)));
      }
      output4("chosen", c.chosen(), extent(rows, c.topK(), c.topK()));
    }

    @Override
    public void run(Tile tile) {
      range("row", tile.rowBegin(), tile.rowEnd(), c.rows());
      long first = tile.rowBegin();
      check(
          tile,
          mla_kernels.top_k.invoke(
              function,
              from(c.scores(), first * c.scoreStride()),
              c.scoreStride(),
              tile.rowEnd() - tile.rowBegin(),
              c.count(tile.rowBegin()),
              c.topK(),
              from(c.chosen(), first * c.topK()),
              tile.error(),
              errorBytes(tile)));
    }

    private static MemorySegment from(MemorySegment segment, long element) {
      return element == 0 ? segment : segment.asSlice(element * Integer.BYTES);
    }
  }
}

package io.mla4j.cpu;

import io.mla4j.InvalidArgumentException;
import io.mla4j.ops.Floats;
import io.mla4j.ops.Tensor;
import io.mla4j.spi.CacheParams;
import io.mla4j.spi.LatentView;
import io.mla4j.spi.PagedView;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Tokens with the rows that were chosen for each, as if each were a sequence of its own whose page
 * table names rows: nothing is copied.
 */
final class ChosenRows implements LatentView {
  /** Tokens of a view: enough for many threads, with tables that stay small. */
  static final int MAX_TOKENS = 32;

  private final Cpu cpu;
  private final Tensor chosen;
  private final int topK;
  private final long at;
  private PagedView plan;
  private int first;
  private int tokens;
  private final int[] keys = new int[MAX_TOKENS];

  /** Null before the first view. */
  private @Nullable Pool pool;

  private CacheParams rows;

  /** The pages of a pool, and the same with a table of rows. */
  private record Pool(CacheParams pages, CacheParams rows) {}

  /** {@code at}: where the tables may lie in the device's memory. */
  ChosenRows(Cpu cpu, Tensor chosen, long at) {
    this.cpu = cpu;
    this.chosen = chosen;
    this.at = at;
    topK = (int) chosen.dim(1);
  }

  /** Bytes of the tables. */
  static long tableBytes(Tensor chosen) {
    return MAX_TOKENS * tableBytes((int) chosen.dim(1));
  }

  private static long tableBytes(int topK) {
    return Buffer.roundUp((long) topK * Integer.BYTES);
  }

  /** The most parts into which the chosen tokens of a token of sequence i are cut. */
  static int maxParts(PagedView plan, int i, int topK) {
    int parts = 1;
    int first = plan.kvTokens(i) - plan.queryTokens(i) + 1;
    for (int visible = first;
        visible <= Math.min(plan.kvTokens(i), Math.max(first, topK));
        visible++) {
      int keys = Math.min(topK, visible);
      parts = Math.max(parts, Math.ceilDiv(keys, plan.splitOfChosen(keys)));
    }
    return parts;
  }

  /**
   * The view of tokens {@code [from, to)} of sequence i.
   *
   * @throws InvalidArgumentException where a position is not one that the token sees
   */
  void of(PagedView plan, int i, int from, int to) {
    this.plan = plan;
    first = plan.firstToken(i) + from;
    tokens = to - from;
    CacheParams pages = plan.cacheParams();
    Pool now = pool;
    if (now == null || now.pages != pages) {
      now = new Pool(pages, rowsOf(pages));
      pool = now;
    }
    rows = now.rows;
    MemorySegment table = plan.pageTable(i);
    int pageSize = pages.pageSize();
    for (int t = 0; t < tokens; t++) {
      int visible = plan.kvTokens(i) - plan.queryTokens(i) + from + t + 1;
      int count = Math.min(topK, visible);
      MemorySegment ofToken = pageTable(t);
      for (int j = 0; j < count; j++) {
        int position = Floats.getInt(chosen.segment(), (long) (first + t) * topK + j);
        if (position < 0 || position >= visible) {
          throw new InvalidArgumentException(
              "chosen["
                  + (first + t)
                  + ", "
                  + j
                  + "] is "
                  + position
                  + ", but the token sees positions 0.."
                  + (visible - 1));
        }
        int page = Floats.getInt(table, position / pageSize);
        Floats.setInt(ofToken, j, page * pageSize + position % pageSize);
      }
      keys[t] = count;
    }
  }

  private static CacheParams rowsOf(CacheParams params) {
    long rows = (long) params.pageCount() * params.pageSize();
    if (rows > Integer.MAX_VALUE) {
      throw new InvalidArgumentException(
          "the pool has " + rows + " rows, but sparse attention takes at most 2^31 - 1");
    }
    return params.withTableOfRows();
  }

  @Override
  public MemorySegment pageTable(int t) {
    long bytes = tableBytes(topK);
    return cpu.memory.view(at + t * bytes, bytes);
  }

  @Override
  public int splitLength(int t) {
    return plan.splitOfChosen(keys[t]);
  }

  @Override
  public CacheParams cacheParams() {
    return rows;
  }

  @Override
  public MemorySegment layerBase(int layer) {
    return plan.layerBase(layer);
  }

  @Override
  public int sequences() {
    return tokens;
  }

  @Override
  public int firstToken(int t) {
    return first + t;
  }

  @Override
  public int queryTokens(int t) {
    return 1;
  }

  @Override
  public int kvTokens(int t) {
    return keys[t];
  }
}

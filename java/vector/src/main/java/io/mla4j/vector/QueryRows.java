package io.mla4j.vector;

import static io.mla4j.vector.Lanes.L;

import io.mla4j.ops.Floats;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * The query rows of a tile in slots, a lane for each: first those that are scored in lanes,
 * transposed in groups of one or two vectors; from slot {@link #fewAt} on, a whole vector further,
 * the few that are scored with dimensions in the lanes.
 */
final class QueryRows {
  private float[] m;
  private boolean stored;
  private boolean rounds;
  private int laneRows;
  int fewRows;
  private int fewAt;
  int slots;
  private int width;

  /** Elements of a query, and a zero where these are odd. */
  int evenWidth;

  /** Between rows of few queries. */
  int stride;

  /** (evenWidth, lanes of the group) for each group. */
  private int queries;

  /** (fewRows, stride). */
  int fewQueries;

  private int end;

  /** Rows that wait for the rest of their vector: (L, stride). */
  private int waiting;

  /**
   * Rows of {@code width} elements.
   *
   * @param stored whether keys are as they are stored in BF16, and the few in the order of {@link
   *     Lanes#split}
   * @param rounds whether rows are rounded to bfloat16
   */
  void set(int laneRows, int fewRows, int width, boolean stored, boolean rounds) {
    this.laneRows = laneRows;
    this.fewRows = fewRows;
    this.width = width;
    this.stored = stored;
    this.rounds = rounds;
    this.fewAt = Lanes.roundUp(laneRows);
    this.slots = fewAt + Lanes.roundUp(fewRows);
    this.evenWidth = width + width % 2;
    this.stride = Slab.roundUp(width);
  }

  /** Takes its place in the slab from {@code at} on: where the next region begins. */
  int place(int at) {
    queries = at;
    fewQueries = Slab.after(queries, fewAt * evenWidth);
    end = Slab.after(fewQueries, fewRows * stride);
    return end;
  }

  /** Forgets all rows. */
  void start(float[] m, int waiting) {
    this.m = m;
    this.waiting = waiting;
    if (laneRows < fewAt || width < evenWidth || fewRows > 0) {
      Arrays.fill(m, queries, end, 0);
    }
  }

  /** Floats that {@link #start} needs of the slab at {@code waiting}. */
  int scratch() {
    return L * stride;
  }

  /** Row r is at element {@code at} of q. Rows come in order. */
  void setRow(int r, MemorySegment q, long at) {
    int slot = slot(r);
    int lane = slot % L;
    int row = waiting + lane * stride;
    Floats.read(q, at, m, row, width);
    if (rounds) {
      Lanes.roundBf16(m, row, width);
    }
    if (slot >= fewAt) {
      int few = fewQueries + (slot - fewAt) * stride;
      if (stored) {
        Lanes.split(m, row, few, width);
      } else {
        System.arraycopy(m, row, m, few, width);
      }
    } else if (lane == L - 1 || r == laneRows - 1) {
      transpose(slot - lane, lane + 1);
    }
  }

  /** The rows of one vector go into its lanes. */
  private void transpose(int slot, int rows) {
    int group = slot / (2 * L) * 2 * L;
    int lanes = lanes(group);
    int to = queries(group) + slot - group;
    int lane = 0;
    for (; lane + 4 <= rows; lane += 4) {
      transpose4(m, waiting + lane * stride, stride, width, to + lane, lanes);
    }
    for (; lane < rows; lane++) {
      for (int d = 0; d < width; d++) {
        m[to + lane + d * lanes] = m[waiting + lane * stride + d];
      }
    }
  }

  private static void transpose4(float[] m, int r0, int stride, int width, int to, int lanes) {
    int r1 = r0 + stride;
    int r2 = r1 + stride;
    int r3 = r2 + stride;
    int at = to;
    for (int d = 0; d < width; d++) {
      m[at] = m[r0 + d];
      m[at + 1] = m[r1 + d];
      m[at + 2] = m[r2 + d];
      m[at + 3] = m[r3 + d];
      at += lanes;
    }
  }

  int slot(int r) {
    return r < laneRows ? r : fewAt + r - laneRows;
  }

  /** Lanes of the group that begins at this slot. */
  int lanes(int group) {
    return Math.min(2 * L, (group < fewAt ? fewAt : slots) - group);
  }

  /** Rows of the group that begins at this slot. */
  int rows(int group) {
    return isFew(group) ? fewRows : Math.min(lanes(group), laneRows - group);
  }

  /** Whether the group that begins at this slot is scored with dimensions in the lanes. */
  boolean isFew(int group) {
    return group == fewAt;
  }

  /** Queries of the group that begins at this slot: (evenWidth, its lanes). */
  int queries(int group) {
    return queries + group * evenWidth;
  }

  /** Elements of a key that are read: with zeros after its own. */
  int paddedWidth() {
    return fewRows > 0 ? Lanes.roundUp(width) : evenWidth;
  }
}

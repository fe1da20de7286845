package io.mla4j.vector;

import static io.mla4j.vector.Lanes.L;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Dot products of queries and keys with dimensions in the lanes, for heads that would leave lanes
 * of {@link RowScores} empty, or fill only one vector there: then each element of a key is widened
 * and broadcast for one multiplication, and these take turns on the same units. Here it is widened
 * once for four queries. A score is the same sum whatever tile computes it: each lane in rising
 * order, then the lanes as a tree.
 */
final class DimensionScores {
  /** The most query rows; with more of them, two vectors in {@link RowScores} are faster. */
  static final int MAX_ROWS = Lanes.WIDE ? 28 : L / 2;

  /** The fewest rows for {@link #timesCopying}. */
  static final int LEAST_COPYING = 4;

  private static final int TILE_KEYS = 4;
  private static final int TILE_ROWS = Lanes.WIDE ? 4 : 2;

  /**
   * Keys that are scored before their scores are put in order: a part of a vector cannot be read
   * right after the whole of it was written. There must be readable rows for whole multiples.
   */
  static final int KEY_MULTIPLE = 16;

  /** Floats that it needs of the slab for itself. */
  static final int SCRATCH = KEY_MULTIPLE * Math.max(L, MAX_ROWS);

  private static final VectorSpecies<Float> TILE_ROW = FloatVector.SPECIES_128;

  /** The slab: queries, keys, scores and scratch are indices of it. */
  float[] m;

  /**
   * Whether keys are as they are stored in BF16, two elements in a float, and queries in the order
   * of {@link Lanes#split}; width is a multiple of two vectors of 512 bits then.
   */
  private boolean stored;

  /** (rows, qStride). */
  private int queries;

  int qStride;
  private int rows;
  int kStride;

  /** Elements of a query or key, with zeros up to whole vectors. */
  int width;

  /** {@link #SCRATCH} floats. */
  private int scratch;

  /** Where {@link #timesCopying} finds keys. */
  private CachedRows source;

  MemorySegment cache;

  /** Where in the cache the keys of a tile begin, in bytes. */
  final long[] cached = new long[TILE_KEYS];

  void set(
      float[] m,
      boolean stored,
      QueryRows rows,
      int kStride,
      int width,
      int scratch,
      CachedRows source) {
    this.m = m;
    this.stored = stored;
    this.queries = rows.fewQueries;
    this.qStride = rows.stride;
    this.rows = rows.fewRows;
    this.kStride = kStride;
    this.width = width;
    this.scratch = scratch;
    this.source = source;
  }

  /**
   * scores[t * stride + r] = sum over d of q[r, d] * k[t, d] for t below {@code keys} and all r.
   *
   * @param k (keys, kStride)
   * @param scores (keys rounded up to {@link #KEY_MULTIPLE}, stride)
   */
  void times(int k, int keys, int scores, int stride) {
    for (int t = 0; t < keys; t += KEY_MULTIPLE) {
      int key = k + t * kStride;
      int to = scores + t * stride;
      if (Lanes.WIDE) {
        scoreFours(0, key);
        order(to, stride);
      } else {
        scoreTwos(key, to, stride);
      }
      scoreOnes(key, to, stride);
    }
  }

  /**
   * The same for stored keys, at least {@link #LEAST_COPYING} rows, and vectors of 512 bits, where
   * the keys are the rows of tokens from {@code s} on: copies them to k.
   */
  void timesCopying(int s, int k, int keys, int scores, int stride) {
    int last = s + keys - 1;
    cache = source.cache();
    for (int t = 0; t < keys; t += KEY_MULTIPLE) {
      int key = k + t * kStride;
      int to = scores + t * stride;
      for (int i = 0; i < KEY_MULTIPLE && t + i < keys; i += TILE_KEYS) {
        for (int j = 0; j < TILE_KEYS; j++) {
          cached[j] = source.offset(Math.min(s + t + i + j, last));
        }
        Tiles.dimensionsInLanes4x4Bf16Cache(this, queries, key + i * kStride, scratch + i * 4);
      }
      scoreFours(4, key);
      order(to, stride);
      scoreOnes(key, to, stride);
    }
  }

  /** Rows from {@code first} on, four at a time, into scratch: (rows / 4, keys, 4). */
  private void scoreFours(int first, int key) {
    for (int r = first; r + 4 <= rows; r += 4) {
      int query = queries + r * qStride;
      int tile = scratch + r * KEY_MULTIPLE;
      for (int i = 0; i < KEY_MULTIPLE; i += TILE_KEYS) {
        if (stored) {
          Tiles.dimensionsInLanes4x4Bf16Slab(this, query, key + i * kStride, tile + i * 4);
        } else {
          Tiles.dimensionsInLanes4x4F32Slab(this, query, key + i * kStride, tile + i * 4);
        }
      }
    }
  }

  /** From scratch to the scores. */
  private void order(int to, int stride) {
    for (int r = 0; r + 4 <= rows; r += 4) {
      int tile = scratch + r * KEY_MULTIPLE;
      for (int i = 0; i < KEY_MULTIPLE; i++) {
        FloatVector.fromArray(TILE_ROW, m, tile + i * 4).intoArray(m, to + i * stride + r);
      }
    }
  }

  /** Two rows at a time, where vectors are shorter. */
  private void scoreTwos(int key, int to, int stride) {
    for (int r = 0; r + 2 <= rows; r += 2) {
      for (int i = 0; i < KEY_MULTIPLE; i += TILE_KEYS) {
        Tiles.dimensionsInLanes2x4F32Slab(this, queries + r * qStride, key + i * kStride, scratch);
        Lanes.sumLanes(m, scratch, 2 * TILE_KEYS);
        for (int j = 0; j < TILE_KEYS; j++) {
          m[to + (i + j) * stride + r] = m[scratch + j];
          m[to + (i + j) * stride + r + 1] = m[scratch + TILE_KEYS + j];
        }
      }
    }
  }

  /** The rows that are left. */
  private void scoreOnes(int key, int to, int stride) {
    for (int r = rows / TILE_ROWS * TILE_ROWS; r < rows; r++) {
      int query = queries + r * qStride;
      for (int i = 0; i < KEY_MULTIPLE; i += TILE_KEYS) {
        if (stored) {
          Tiles.dimensionsInLanes1x4Bf16Slab(this, query, key + i * kStride, scratch + i * L);
        } else {
          Tiles.dimensionsInLanes1x4F32Slab(this, query, key + i * kStride, scratch + i * L);
        }
      }
      Lanes.sumLanes(m, scratch, KEY_MULTIPLE);
      for (int i = 0; i < KEY_MULTIPLE; i++) {
        m[to + i * stride + r] = m[scratch + i];
      }
    }
  }
}

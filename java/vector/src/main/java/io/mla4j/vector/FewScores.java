package io.mla4j.vector;

import static io.mla4j.vector.Lanes.BIT_1;
import static io.mla4j.vector.Lanes.BIT_2;
import static io.mla4j.vector.Lanes.BIT_4;
import static io.mla4j.vector.Lanes.BIT_8;
import static io.mla4j.vector.Lanes.F;
import static io.mla4j.vector.Lanes.L;
import static io.mla4j.vector.Lanes.SWAP_1;
import static io.mla4j.vector.Lanes.SWAP_2;
import static io.mla4j.vector.Lanes.SWAP_4;
import static io.mla4j.vector.Lanes.SWAP_8;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import io.mla4j.cpu.Stored;
import io.mla4j.spi.CacheParams;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Dot products of queries and keys with the numbers of a key in the lanes, for heads that would
 * leave lanes of {@link Scores} empty, or fill only one vector there: then each number of a key is
 * widened and broadcast for one multiplication, and these take turns on the same units. Here it is
 * widened once for four queries. A score is the same sum whatever tile computes it: each lane in
 * rising order, then the lanes as a tree.
 */
final class FewScores {
  /** The most query rows; with more of them, two vectors in {@link Scores} are faster. */
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

  /** Floats that a call needs of the slab for itself. */
  static final int SCRATCH = KEY_MULTIPLE * Math.max(L, MAX_ROWS);

  private static final VectorSpecies<Float> TILE_ROW = FloatVector.SPECIES_128;

  private FewScores() {}

  /**
   * scores[t * stride + r] = sum over d of q[r, d] * k[t, d] for t below {@code keys} and r below
   * {@code rows}.
   *
   * @param m the slab: q, k, scores and scratch are indices of it
   * @param stored whether keys are as they are stored in BF16, two numbers in a float, of which
   *     width / 2 count, and queries in the order of {@link Lanes#split}; width is a multiple of
   *     two vectors of 512 bits then
   * @param q (rows, qStride)
   * @param k (keys, kStride)
   * @param width numbers of a query or key, with zeros up to whole vectors
   * @param scores (keys rounded up to {@link #KEY_MULTIPLE}, stride)
   * @param scratch {@link #SCRATCH} floats
   */
  static void times(
      float[] m,
      boolean stored,
      int q,
      int qStride,
      int rows,
      int k,
      int kStride,
      int keys,
      int width,
      int scores,
      int stride,
      int scratch) {
    for (int t = 0; t < keys; t += KEY_MULTIPLE) {
      int key = k + t * kStride;
      int to = scores + t * stride;
      if (Lanes.WIDE) {
        scoreFours(m, stored, q, qStride, 0, rows, key, kStride, width, scratch);
        order(m, rows, to, stride, scratch);
      } else {
        scoreTwos(m, q, qStride, rows, key, kStride, width, to, stride, scratch);
      }
      scoreOnes(m, stored, q, qStride, rows, key, kStride, width, to, stride, scratch);
    }
  }

  /**
   * The same for stored keys, at least {@link #LEAST_COPYING} rows, and vectors of 512 bits, where
   * the keys are the rows of tokens from {@code s} on: copies them to k.
   */
  static void timesCopying(
      float[] m,
      int q,
      int qStride,
      int rows,
      CacheParams params,
      MemorySegment cache,
      MemorySegment pageTable,
      int s,
      int k,
      int kStride,
      int keys,
      int width,
      int scores,
      int stride,
      int scratch) {
    int last = s + keys - 1;
    for (int t = 0; t < keys; t += KEY_MULTIPLE) {
      int key = k + t * kStride;
      int to = scores + t * stride;
      for (int i = 0; i < KEY_MULTIPLE && t + i < keys; i += TILE_KEYS) {
        int token = s + t + i;
        copyAndDot4x4(
            m,
            q,
            qStride,
            cache,
            Stored.rowOffset(params, pageTable, token),
            Stored.rowOffset(params, pageTable, Math.min(token + 1, last)),
            Stored.rowOffset(params, pageTable, Math.min(token + 2, last)),
            Stored.rowOffset(params, pageTable, Math.min(token + 3, last)),
            key + i * kStride,
            kStride,
            width,
            scratch + i * 4);
      }
      scoreFours(m, true, q, qStride, 4, rows, key, kStride, width, scratch);
      order(m, rows, to, stride, scratch);
      scoreOnes(m, true, q, qStride, rows, key, kStride, width, to, stride, scratch);
    }
  }

  /** Rows from {@code first} on, four at a time, into scratch: (rows / 4, keys, 4). */
  private static void scoreFours(
      float[] m,
      boolean stored,
      int q,
      int qStride,
      int first,
      int rows,
      int key,
      int kStride,
      int width,
      int scratch) {
    for (int r = first; r + 4 <= rows; r += 4) {
      int query = q + r * qStride;
      int tile = scratch + r * KEY_MULTIPLE;
      for (int i = 0; i < KEY_MULTIPLE; i += TILE_KEYS) {
        int at = key + i * kStride;
        if (stored) {
          dot4x4Bf16(m, query, qStride, at, kStride, width, tile + i * 4);
        } else {
          dot4x4(m, query, qStride, at, kStride, width, tile + i * 4);
        }
      }
    }
  }

  /** From scratch to the scores. */
  private static void order(float[] m, int rows, int to, int stride, int scratch) {
    for (int r = 0; r + 4 <= rows; r += 4) {
      int tile = scratch + r * KEY_MULTIPLE;
      for (int i = 0; i < KEY_MULTIPLE; i++) {
        FloatVector.fromArray(TILE_ROW, m, tile + i * 4).intoArray(m, to + i * stride + r);
      }
    }
  }

  /** Two rows at a time, where vectors are shorter. */
  private static void scoreTwos(
      float[] m,
      int q,
      int qStride,
      int rows,
      int key,
      int kStride,
      int width,
      int to,
      int stride,
      int scratch) {
    for (int r = 0; r + 2 <= rows; r += 2) {
      for (int i = 0; i < KEY_MULTIPLE; i += TILE_KEYS) {
        dot2x4(m, q + r * qStride, qStride, key + i * kStride, kStride, width, scratch);
        Lanes.sumLanes(m, scratch, 2 * TILE_KEYS);
        for (int j = 0; j < TILE_KEYS; j++) {
          m[to + (i + j) * stride + r] = m[scratch + 2 * j];
          m[to + (i + j) * stride + r + 1] = m[scratch + 2 * j + 1];
        }
      }
    }
  }

  /** The rows that are left. */
  private static void scoreOnes(
      float[] m,
      boolean stored,
      int q,
      int qStride,
      int rows,
      int key,
      int kStride,
      int width,
      int to,
      int stride,
      int scratch) {
    for (int r = rows / TILE_ROWS * TILE_ROWS; r < rows; r++) {
      for (int i = 0; i < KEY_MULTIPLE; i += TILE_KEYS) {
        int at = key + i * kStride;
        if (stored) {
          dot1x4Bf16(m, q + r * qStride, at, kStride, width, scratch + i * L);
        } else {
          dot1x4(m, q + r * qStride, at, kStride, width, scratch + i * L);
        }
      }
      Lanes.sumLanes(m, scratch, KEY_MULTIPLE);
      for (int i = 0; i < KEY_MULTIPLE; i++) {
        m[to + i * stride + r] = m[scratch + i];
      }
    }
  }

  /** 4 rows, 4 keys: the scores (keys, rows) in one vector of 512 bits. */
  private static void dot4x4(
      float[] m, int q0, int qStride, int k0, int kStride, int width, int to) {
    int q1 = q0 + qStride;
    int q2 = q1 + qStride;
    int q3 = q2 + qStride;
    int k1 = k0 + kStride;
    int k2 = k1 + kStride;
    int k3 = k2 + kStride;
    FloatVector zero = FloatVector.zero(F);
    FloatVector s00 = zero;
    FloatVector s01 = zero;
    FloatVector s02 = zero;
    FloatVector s03 = zero;
    FloatVector s10 = zero;
    FloatVector s11 = zero;
    FloatVector s12 = zero;
    FloatVector s13 = zero;
    FloatVector s20 = zero;
    FloatVector s21 = zero;
    FloatVector s22 = zero;
    FloatVector s23 = zero;
    FloatVector s30 = zero;
    FloatVector s31 = zero;
    FloatVector s32 = zero;
    FloatVector s33 = zero;
    for (int i = 0; i < width; i += L) {
      FloatVector a0 = FloatVector.fromArray(F, m, q0 + i);
      FloatVector a1 = FloatVector.fromArray(F, m, q1 + i);
      FloatVector a2 = FloatVector.fromArray(F, m, q2 + i);
      FloatVector a3 = FloatVector.fromArray(F, m, q3 + i);
      FloatVector b = FloatVector.fromArray(F, m, k0 + i);
      s00 = a0.fma(b, s00);
      s10 = a1.fma(b, s10);
      s20 = a2.fma(b, s20);
      s30 = a3.fma(b, s30);
      b = FloatVector.fromArray(F, m, k1 + i);
      s01 = a0.fma(b, s01);
      s11 = a1.fma(b, s11);
      s21 = a2.fma(b, s21);
      s31 = a3.fma(b, s31);
      b = FloatVector.fromArray(F, m, k2 + i);
      s02 = a0.fma(b, s02);
      s12 = a1.fma(b, s12);
      s22 = a2.fma(b, s22);
      s32 = a3.fma(b, s32);
      b = FloatVector.fromArray(F, m, k3 + i);
      s03 = a0.fma(b, s03);
      s13 = a1.fma(b, s13);
      s23 = a2.fma(b, s23);
      s33 = a3.fma(b, s33);
    }
    // the lanes of sum j * 4 + r end in lane j * 4 + r, by the tree of Lanes.sumLanes
    s00 = s00.blend(s10, BIT_1).add(s10.blend(s00, BIT_1).rearrange(SWAP_1));
    s20 = s20.blend(s30, BIT_1).add(s30.blend(s20, BIT_1).rearrange(SWAP_1));
    s01 = s01.blend(s11, BIT_1).add(s11.blend(s01, BIT_1).rearrange(SWAP_1));
    s21 = s21.blend(s31, BIT_1).add(s31.blend(s21, BIT_1).rearrange(SWAP_1));
    s02 = s02.blend(s12, BIT_1).add(s12.blend(s02, BIT_1).rearrange(SWAP_1));
    s22 = s22.blend(s32, BIT_1).add(s32.blend(s22, BIT_1).rearrange(SWAP_1));
    s03 = s03.blend(s13, BIT_1).add(s13.blend(s03, BIT_1).rearrange(SWAP_1));
    s23 = s23.blend(s33, BIT_1).add(s33.blend(s23, BIT_1).rearrange(SWAP_1));
    s00 = s00.blend(s20, BIT_2).add(s20.blend(s00, BIT_2).rearrange(SWAP_2));
    s01 = s01.blend(s21, BIT_2).add(s21.blend(s01, BIT_2).rearrange(SWAP_2));
    s02 = s02.blend(s22, BIT_2).add(s22.blend(s02, BIT_2).rearrange(SWAP_2));
    s03 = s03.blend(s23, BIT_2).add(s23.blend(s03, BIT_2).rearrange(SWAP_2));
    s00 = s00.blend(s01, BIT_4).add(s01.blend(s00, BIT_4).rearrange(SWAP_4));
    s02 = s02.blend(s03, BIT_4).add(s03.blend(s02, BIT_4).rearrange(SWAP_4));
    s00.blend(s02, BIT_8).add(s02.blend(s00, BIT_8).rearrange(SWAP_8)).intoArray(m, to);
  }

  /** 2 rows, 4 keys: the lanes of (keys, rows). */
  private static void dot2x4(
      float[] m, int q0, int qStride, int k0, int kStride, int width, int to) {
    int q1 = q0 + qStride;
    int k1 = k0 + kStride;
    int k2 = k1 + kStride;
    int k3 = k2 + kStride;
    FloatVector zero = FloatVector.zero(F);
    FloatVector s00 = zero;
    FloatVector s01 = zero;
    FloatVector s02 = zero;
    FloatVector s03 = zero;
    FloatVector s10 = zero;
    FloatVector s11 = zero;
    FloatVector s12 = zero;
    FloatVector s13 = zero;
    for (int i = 0; i < width; i += L) {
      FloatVector a0 = FloatVector.fromArray(F, m, q0 + i);
      FloatVector a1 = FloatVector.fromArray(F, m, q1 + i);
      FloatVector b = FloatVector.fromArray(F, m, k0 + i);
      s00 = a0.fma(b, s00);
      s10 = a1.fma(b, s10);
      b = FloatVector.fromArray(F, m, k1 + i);
      s01 = a0.fma(b, s01);
      s11 = a1.fma(b, s11);
      b = FloatVector.fromArray(F, m, k2 + i);
      s02 = a0.fma(b, s02);
      s12 = a1.fma(b, s12);
      b = FloatVector.fromArray(F, m, k3 + i);
      s03 = a0.fma(b, s03);
      s13 = a1.fma(b, s13);
    }
    s00.intoArray(m, to);
    s10.intoArray(m, to + L);
    s01.intoArray(m, to + 2 * L);
    s11.intoArray(m, to + 3 * L);
    s02.intoArray(m, to + 4 * L);
    s12.intoArray(m, to + 5 * L);
    s03.intoArray(m, to + 6 * L);
    s13.intoArray(m, to + 7 * L);
  }

  /** 1 row, 4 keys: the lanes of each key. */
  private static void dot1x4(float[] m, int q0, int k0, int kStride, int width, int to) {
    int k1 = k0 + kStride;
    int k2 = k1 + kStride;
    int k3 = k2 + kStride;
    FloatVector zero = FloatVector.zero(F);
    FloatVector s00 = zero;
    FloatVector s01 = zero;
    FloatVector s02 = zero;
    FloatVector s03 = zero;
    for (int i = 0; i < width; i += L) {
      FloatVector a0 = FloatVector.fromArray(F, m, q0 + i);
      FloatVector b = FloatVector.fromArray(F, m, k0 + i);
      s00 = a0.fma(b, s00);
      b = FloatVector.fromArray(F, m, k1 + i);
      s01 = a0.fma(b, s01);
      b = FloatVector.fromArray(F, m, k2 + i);
      s02 = a0.fma(b, s02);
      b = FloatVector.fromArray(F, m, k3 + i);
      s03 = a0.fma(b, s03);
    }
    s00.intoArray(m, to);
    s01.intoArray(m, to + L);
    s02.intoArray(m, to + 2 * L);
    s03.intoArray(m, to + 3 * L);
  }

  /** 4 rows, 4 stored keys. */
  private static void dot4x4Bf16(
      float[] m, int q0, int qStride, int k0, int kStride, int width, int to) {
    int q1 = q0 + qStride;
    int q2 = q1 + qStride;
    int q3 = q2 + qStride;
    int k1 = k0 + kStride;
    int k2 = k1 + kStride;
    int k3 = k2 + kStride;
    FloatVector zero = FloatVector.zero(F);
    FloatVector s00 = zero;
    FloatVector s01 = zero;
    FloatVector s02 = zero;
    FloatVector s03 = zero;
    FloatVector s10 = zero;
    FloatVector s11 = zero;
    FloatVector s12 = zero;
    FloatVector s13 = zero;
    FloatVector s20 = zero;
    FloatVector s21 = zero;
    FloatVector s22 = zero;
    FloatVector s23 = zero;
    FloatVector s30 = zero;
    FloatVector s31 = zero;
    FloatVector s32 = zero;
    FloatVector s33 = zero;
    for (int i = 0; i < width / 2; i += L) {
      FloatVector a0 = FloatVector.fromArray(F, m, q0 + 2 * i);
      FloatVector c0 = FloatVector.fromArray(F, m, q0 + 2 * i + L);
      FloatVector a1 = FloatVector.fromArray(F, m, q1 + 2 * i);
      FloatVector c1 = FloatVector.fromArray(F, m, q1 + 2 * i + L);
      FloatVector a2 = FloatVector.fromArray(F, m, q2 + 2 * i);
      FloatVector c2 = FloatVector.fromArray(F, m, q2 + 2 * i + L);
      FloatVector a3 = FloatVector.fromArray(F, m, q3 + 2 * i);
      FloatVector c3 = FloatVector.fromArray(F, m, q3 + 2 * i + L);
      IntVector b = FloatVector.fromArray(F, m, k0 + i).reinterpretAsInts();
      FloatVector f = b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      s00 = a0.fma(f, s00);
      s10 = a1.fma(f, s10);
      s20 = a2.fma(f, s20);
      s30 = a3.fma(f, s30);
      f = b.and(0xffff0000).reinterpretAsFloats();
      s00 = c0.fma(f, s00);
      s10 = c1.fma(f, s10);
      s20 = c2.fma(f, s20);
      s30 = c3.fma(f, s30);
      b = FloatVector.fromArray(F, m, k1 + i).reinterpretAsInts();
      f = b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      s01 = a0.fma(f, s01);
      s11 = a1.fma(f, s11);
      s21 = a2.fma(f, s21);
      s31 = a3.fma(f, s31);
      f = b.and(0xffff0000).reinterpretAsFloats();
      s01 = c0.fma(f, s01);
      s11 = c1.fma(f, s11);
      s21 = c2.fma(f, s21);
      s31 = c3.fma(f, s31);
      b = FloatVector.fromArray(F, m, k2 + i).reinterpretAsInts();
      f = b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      s02 = a0.fma(f, s02);
      s12 = a1.fma(f, s12);
      s22 = a2.fma(f, s22);
      s32 = a3.fma(f, s32);
      f = b.and(0xffff0000).reinterpretAsFloats();
      s02 = c0.fma(f, s02);
      s12 = c1.fma(f, s12);
      s22 = c2.fma(f, s22);
      s32 = c3.fma(f, s32);
      b = FloatVector.fromArray(F, m, k3 + i).reinterpretAsInts();
      f = b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      s03 = a0.fma(f, s03);
      s13 = a1.fma(f, s13);
      s23 = a2.fma(f, s23);
      s33 = a3.fma(f, s33);
      f = b.and(0xffff0000).reinterpretAsFloats();
      s03 = c0.fma(f, s03);
      s13 = c1.fma(f, s13);
      s23 = c2.fma(f, s23);
      s33 = c3.fma(f, s33);
    }
    // the lanes of sum j * 4 + r end in lane j * 4 + r, by the tree of Lanes.sumLanes
    s00 = s00.blend(s10, BIT_1).add(s10.blend(s00, BIT_1).rearrange(SWAP_1));
    s20 = s20.blend(s30, BIT_1).add(s30.blend(s20, BIT_1).rearrange(SWAP_1));
    s01 = s01.blend(s11, BIT_1).add(s11.blend(s01, BIT_1).rearrange(SWAP_1));
    s21 = s21.blend(s31, BIT_1).add(s31.blend(s21, BIT_1).rearrange(SWAP_1));
    s02 = s02.blend(s12, BIT_1).add(s12.blend(s02, BIT_1).rearrange(SWAP_1));
    s22 = s22.blend(s32, BIT_1).add(s32.blend(s22, BIT_1).rearrange(SWAP_1));
    s03 = s03.blend(s13, BIT_1).add(s13.blend(s03, BIT_1).rearrange(SWAP_1));
    s23 = s23.blend(s33, BIT_1).add(s33.blend(s23, BIT_1).rearrange(SWAP_1));
    s00 = s00.blend(s20, BIT_2).add(s20.blend(s00, BIT_2).rearrange(SWAP_2));
    s01 = s01.blend(s21, BIT_2).add(s21.blend(s01, BIT_2).rearrange(SWAP_2));
    s02 = s02.blend(s22, BIT_2).add(s22.blend(s02, BIT_2).rearrange(SWAP_2));
    s03 = s03.blend(s23, BIT_2).add(s23.blend(s03, BIT_2).rearrange(SWAP_2));
    s00 = s00.blend(s01, BIT_4).add(s01.blend(s00, BIT_4).rearrange(SWAP_4));
    s02 = s02.blend(s03, BIT_4).add(s03.blend(s02, BIT_4).rearrange(SWAP_4));
    s00.blend(s02, BIT_8).add(s02.blend(s00, BIT_8).rearrange(SWAP_8)).intoArray(m, to);
  }

  /**
   * 4 rows, 4 stored keys, which come from {@code cache} and are copied to k: the stores cost
   * nothing beside the multiplications.
   *
   * @param row0 where the first key begins in cache, in bytes
   */
  private static void copyAndDot4x4(
      float[] m,
      int q0,
      int qStride,
      MemorySegment cache,
      long row0,
      long row1,
      long row2,
      long row3,
      int k0,
      int kStride,
      int width,
      int to) {
    int q1 = q0 + qStride;
    int q2 = q1 + qStride;
    int q3 = q2 + qStride;
    int k1 = k0 + kStride;
    int k2 = k1 + kStride;
    int k3 = k2 + kStride;
    FloatVector zero = FloatVector.zero(F);
    FloatVector s00 = zero;
    FloatVector s01 = zero;
    FloatVector s02 = zero;
    FloatVector s03 = zero;
    FloatVector s10 = zero;
    FloatVector s11 = zero;
    FloatVector s12 = zero;
    FloatVector s13 = zero;
    FloatVector s20 = zero;
    FloatVector s21 = zero;
    FloatVector s22 = zero;
    FloatVector s23 = zero;
    FloatVector s30 = zero;
    FloatVector s31 = zero;
    FloatVector s32 = zero;
    FloatVector s33 = zero;
    for (int i = 0; i < width / 2; i += L) {
      FloatVector a0 = FloatVector.fromArray(F, m, q0 + 2 * i);
      FloatVector c0 = FloatVector.fromArray(F, m, q0 + 2 * i + L);
      FloatVector a1 = FloatVector.fromArray(F, m, q1 + 2 * i);
      FloatVector c1 = FloatVector.fromArray(F, m, q1 + 2 * i + L);
      FloatVector a2 = FloatVector.fromArray(F, m, q2 + 2 * i);
      FloatVector c2 = FloatVector.fromArray(F, m, q2 + 2 * i + L);
      FloatVector a3 = FloatVector.fromArray(F, m, q3 + 2 * i);
      FloatVector c3 = FloatVector.fromArray(F, m, q3 + 2 * i + L);
      FloatVector stored = FloatVector.fromMemorySegment(F, cache, row0 + 4L * i, LITTLE_ENDIAN);
      stored.intoArray(m, k0 + i);
      IntVector b = stored.reinterpretAsInts();
      FloatVector f = b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      s00 = a0.fma(f, s00);
      s10 = a1.fma(f, s10);
      s20 = a2.fma(f, s20);
      s30 = a3.fma(f, s30);
      f = b.and(0xffff0000).reinterpretAsFloats();
      s00 = c0.fma(f, s00);
      s10 = c1.fma(f, s10);
      s20 = c2.fma(f, s20);
      s30 = c3.fma(f, s30);
      stored = FloatVector.fromMemorySegment(F, cache, row1 + 4L * i, LITTLE_ENDIAN);
      stored.intoArray(m, k1 + i);
      b = stored.reinterpretAsInts();
      f = b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      s01 = a0.fma(f, s01);
      s11 = a1.fma(f, s11);
      s21 = a2.fma(f, s21);
      s31 = a3.fma(f, s31);
      f = b.and(0xffff0000).reinterpretAsFloats();
      s01 = c0.fma(f, s01);
      s11 = c1.fma(f, s11);
      s21 = c2.fma(f, s21);
      s31 = c3.fma(f, s31);
      stored = FloatVector.fromMemorySegment(F, cache, row2 + 4L * i, LITTLE_ENDIAN);
      stored.intoArray(m, k2 + i);
      b = stored.reinterpretAsInts();
      f = b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      s02 = a0.fma(f, s02);
      s12 = a1.fma(f, s12);
      s22 = a2.fma(f, s22);
      s32 = a3.fma(f, s32);
      f = b.and(0xffff0000).reinterpretAsFloats();
      s02 = c0.fma(f, s02);
      s12 = c1.fma(f, s12);
      s22 = c2.fma(f, s22);
      s32 = c3.fma(f, s32);
      stored = FloatVector.fromMemorySegment(F, cache, row3 + 4L * i, LITTLE_ENDIAN);
      stored.intoArray(m, k3 + i);
      b = stored.reinterpretAsInts();
      f = b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      s03 = a0.fma(f, s03);
      s13 = a1.fma(f, s13);
      s23 = a2.fma(f, s23);
      s33 = a3.fma(f, s33);
      f = b.and(0xffff0000).reinterpretAsFloats();
      s03 = c0.fma(f, s03);
      s13 = c1.fma(f, s13);
      s23 = c2.fma(f, s23);
      s33 = c3.fma(f, s33);
    }
    // the lanes of sum j * 4 + r end in lane j * 4 + r, by the tree of Lanes.sumLanes
    s00 = s00.blend(s10, BIT_1).add(s10.blend(s00, BIT_1).rearrange(SWAP_1));
    s20 = s20.blend(s30, BIT_1).add(s30.blend(s20, BIT_1).rearrange(SWAP_1));
    s01 = s01.blend(s11, BIT_1).add(s11.blend(s01, BIT_1).rearrange(SWAP_1));
    s21 = s21.blend(s31, BIT_1).add(s31.blend(s21, BIT_1).rearrange(SWAP_1));
    s02 = s02.blend(s12, BIT_1).add(s12.blend(s02, BIT_1).rearrange(SWAP_1));
    s22 = s22.blend(s32, BIT_1).add(s32.blend(s22, BIT_1).rearrange(SWAP_1));
    s03 = s03.blend(s13, BIT_1).add(s13.blend(s03, BIT_1).rearrange(SWAP_1));
    s23 = s23.blend(s33, BIT_1).add(s33.blend(s23, BIT_1).rearrange(SWAP_1));
    s00 = s00.blend(s20, BIT_2).add(s20.blend(s00, BIT_2).rearrange(SWAP_2));
    s01 = s01.blend(s21, BIT_2).add(s21.blend(s01, BIT_2).rearrange(SWAP_2));
    s02 = s02.blend(s22, BIT_2).add(s22.blend(s02, BIT_2).rearrange(SWAP_2));
    s03 = s03.blend(s23, BIT_2).add(s23.blend(s03, BIT_2).rearrange(SWAP_2));
    s00 = s00.blend(s01, BIT_4).add(s01.blend(s00, BIT_4).rearrange(SWAP_4));
    s02 = s02.blend(s03, BIT_4).add(s03.blend(s02, BIT_4).rearrange(SWAP_4));
    s00.blend(s02, BIT_8).add(s02.blend(s00, BIT_8).rearrange(SWAP_8)).intoArray(m, to);
  }

  /** 1 row, 4 stored keys. */
  private static void dot1x4Bf16(float[] m, int q0, int k0, int kStride, int width, int to) {
    int k1 = k0 + kStride;
    int k2 = k1 + kStride;
    int k3 = k2 + kStride;
    FloatVector zero = FloatVector.zero(F);
    FloatVector s00 = zero;
    FloatVector s01 = zero;
    FloatVector s02 = zero;
    FloatVector s03 = zero;
    for (int i = 0; i < width / 2; i += L) {
      FloatVector a0 = FloatVector.fromArray(F, m, q0 + 2 * i);
      FloatVector c0 = FloatVector.fromArray(F, m, q0 + 2 * i + L);
      IntVector b = FloatVector.fromArray(F, m, k0 + i).reinterpretAsInts();
      FloatVector f = b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      s00 = a0.fma(f, s00);
      f = b.and(0xffff0000).reinterpretAsFloats();
      s00 = c0.fma(f, s00);
      b = FloatVector.fromArray(F, m, k1 + i).reinterpretAsInts();
      f = b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      s01 = a0.fma(f, s01);
      f = b.and(0xffff0000).reinterpretAsFloats();
      s01 = c0.fma(f, s01);
      b = FloatVector.fromArray(F, m, k2 + i).reinterpretAsInts();
      f = b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      s02 = a0.fma(f, s02);
      f = b.and(0xffff0000).reinterpretAsFloats();
      s02 = c0.fma(f, s02);
      b = FloatVector.fromArray(F, m, k3 + i).reinterpretAsInts();
      f = b.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      s03 = a0.fma(f, s03);
      f = b.and(0xffff0000).reinterpretAsFloats();
      s03 = c0.fma(f, s03);
    }
    s00.intoArray(m, to);
    s01.intoArray(m, to + L);
    s02.intoArray(m, to + 2 * L);
    s03.intoArray(m, to + 3 * L);
  }
}

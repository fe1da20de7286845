package io.mla4j.vector;

import static io.mla4j.vector.Lanes.F;
import static io.mla4j.vector.Lanes.I;
import static io.mla4j.vector.Lanes.L;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import java.lang.foreign.MemorySegment;
import java.util.List;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;

/**
 * The register tiles of products of integer codes, a template as {@link Tiles} is one. Sums of the
 * products of a run of codes are exact, in float32 too, so that their order is free.
 */
final class CodeTiles {
  static final List<Record> TILES =
      List.of(
          new Runs(6, 4, false),
          new Runs(2, 4, false),
          new Runs(1, 4, false),
          new Runs(6, 4, true),
          new Runs(2, 4, true),
          new Runs(1, 4, true),
          new Runs(4, 2, false),
          new Runs(1, 2, false),
          new Runs(4, 2, true),
          new Runs(1, 2, true),
          new Transpose(16),
          new Quad(4),
          new Join(2),
          new Bytes(),
          new Nibbles(),
          new Fifths(),
          new NibbleGroups(),
          new FifthGroups(),
          new Sixths(),
          new Dot(4),
          new Fold(4, false, false),
          new Fold(4, false, true),
          new Fold(4, true, false),
          new Fold(4, true, true),
          new Fold(2, false, false),
          new Fold(2, false, true),
          new Fold(2, true, false),
          new Fold(2, true, true));

  /**
   * Rows of activations times a panel of {@link CodePanels}, columns in the lanes: for each run the
   * sum of its products first, then a multiply-add under the scales of both, and one of the minimum
   * where the weight has them.
   */
  record Runs(int rows, int vectors, boolean minima) {
    /**
     * @param p the panel, how many runs it has and how long they are
     * @param x (rows, X_STRIDE) codes
     * @param s (rows, RUN_STRIDE) scales, then totals
     * @param c (rows, cStride) sums, which are added to
     */
    void run(CodePanels p, int x, int s, int c) {
      float[] m = p.m;
      int length = p.run;
      int runs = p.runs;
      int panel = p.panel;
      int runFloats = p.runFloats;
      int[] row = new int[rows];
      int[] scale = new int[rows];
      int[] to = new int[rows];
      FloatVector[][] sum = new FloatVector[rows][vectors];
      for (int r = 0; r < rows; r++) {
        row[r] = r == 0 ? x : row[r - 1] + CodePanels.X_STRIDE;
        scale[r] = r == 0 ? s : scale[r - 1] + CodePanels.RUN_STRIDE;
        to[r] = r == 0 ? c : to[r - 1] + p.cStride;
      }
      for (int i = 0; i < runs; i++) {
        int at = i * length;
        int w = panel + i * runFloats;
        for (int r = 0; r < rows; r++) {
          for (int v = 0; v < vectors; v++) {
            sum[r][v] = FloatVector.zero(F);
          }
        }
        for (int k = at; k < at + length; k++) {
          int codes = w + (k - at) * (vectors * L);
          FloatVector[] b = new FloatVector[vectors];
          for (int v = 0; v < vectors; v++) {
            b[v] = FloatVector.fromArray(F, m, codes + v * L);
          }
          for (int r = 0; r < rows; r++) {
            FloatVector a = FloatVector.broadcast(F, m[row[r] + k]);
            for (int v = 0; v < vectors; v++) {
              sum[r][v] = a.fma(b[v], sum[r][v]);
            }
          }
        }
        int scales = w + length * (vectors * L);
        FloatVector[] d = new FloatVector[vectors];
        FloatVector[] min = new FloatVector[vectors];
        for (int v = 0; v < vectors; v++) {
          d[v] = FloatVector.fromArray(F, m, scales + v * L);
          if (minima) {
            min[v] = FloatVector.fromArray(F, m, scales + (vectors + v) * L);
          }
        }
        for (int r = 0; r < rows; r++) {
          FloatVector a = FloatVector.broadcast(F, m[scale[r] + i]);
          for (int v = 0; v < vectors; v++) {
            FloatVector before = FloatVector.fromArray(F, m, to[r] + v * L);
            FloatVector after = d[v].mul(a).fma(sum[r][v], before);
            if (minima) {
              after =
                  min[v].fma(
                      FloatVector.broadcast(F, m[scale[r] + CodePanels.MAX_RUNS + i]), after);
            }
            after.intoArray(m, to[r] + v * L);
          }
        }
      }
    }
  }

  /** 16 codes of each of 16 rows to a vector of rows for each code. */
  record Transpose(int rows) {
    /**
     * @param codes (16, K_BLOCK) from {@code from} on
     * @param to (16 codes, COLUMNS)
     */
    void run(byte[] codes, int from, float[] m, int to) {
      IntVector[] v = new IntVector[rows];
      for (int r = 0; r < rows; r++) {
        v[r] =
            (IntVector)
                ByteVector.fromArray(ByteVector.SPECIES_128, codes, from + r * CodePanels.K_BLOCK)
                    .convertShape(VectorOperators.B2I, I, 0);
      }
      for (int bit = 1; bit < rows; bit *= 2) {
        for (int i = 0; i < rows; i += 2 * bit) {
          for (int j = i; j < i + bit; j++) {
            IntVector low = low(bit).selectFrom(v[j], v[j + bit]);
            v[j + bit] = high(bit).selectFrom(v[j], v[j + bit]);
            v[j] = low;
          }
        }
      }
      for (int r = 0; r < rows; r++) {
        ((FloatVector) v[r].convert(VectorOperators.I2F, 0))
            .intoArray(m, to + r * CodePanels.COLUMNS);
      }
    }
  }

  /** Which lanes of two vectors make the first and the second of a transposed pair. */
  static IntVector low(int bit) {
    return bit == 1
        ? CodePanels.LOW_1
        : bit == 2 ? CodePanels.LOW_2 : bit == 4 ? CodePanels.LOW_4 : CodePanels.LOW_8;
  }

  static IntVector high(int bit) {
    return bit == 1
        ? CodePanels.HIGH_1
        : bit == 2 ? CodePanels.HIGH_2 : bit == 4 ? CodePanels.HIGH_4 : CodePanels.HIGH_8;
  }

  /**
   * Sums of the products of one row of activations and four rows of Q8_0 blocks, which come from
   * memory as streams: for each block two lanes of each row. A product of two codes and the sum of
   * two such products fit into 16 bits. Bytes are taken apart by shifts, since conversions cross
   * the halves of a vector.
   */
  record Quad(int rows) {
    /**
     * @param s codes of the activations, and where sums and scales go
     * @param from where in memory the first row begins, in bytes
     * @param apart bytes between rows
     * @param to (blocks, 2 L) of {@code s.sums}, 8 of each
     * @param scales (blocks, L) of {@code s.halves}, four of each
     */
    void run(CodeStreams s, long from, long apart, int to, int scales) {
      MemorySegment memory = s.memory;
      short[] x = s.x;
      int[] sums = s.sums;
      short[] halves = s.halves;
      int blocks = s.blocks;
      int codes = s.at;
      long[] row = new long[rows];
      for (int r = 0; r < rows; r++) {
        row[r] = r == 0 ? from : row[r - 1] + apart;
      }
      for (int b = 0; b < blocks; b++) {
        ShortVector x0 = ShortVector.fromArray(ShortVector.SPECIES_256, x, codes + b * 32);
        ShortVector x1 = ShortVector.fromArray(ShortVector.SPECIES_256, x, codes + b * 32 + 16);
        IntVector[] sum = new IntVector[rows];
        for (int r = 0; r < rows; r++) {
          long at = row[r] + 34L * b;
          halves[scales + b * L + r] = memory.get(CodeRows.HALF, at);
          ShortVector w =
              ByteVector.fromMemorySegment(ByteVector.SPECIES_256, memory, at + 2L, LITTLE_ENDIAN)
                  .reinterpretAsShorts();
          IntVector both = pairs(w, x0, x1);
          sum[r] = sumHalves(both);
        }
        sum[0] = sumShort(sum[0], sum[1]);
        sum[2] = sumShort(sum[2], sum[3]);
        sumShort(sum[0], sum[2]).intoArray(sums, to + b * (2 * L));
      }
    }
  }

  /** Codes of even number times x0, added to those of odd number times x1, as halves of ints. */
  static IntVector pairs(ShortVector codes, ShortVector x0, ShortVector x1) {
    return codes
        .lanewise(VectorOperators.ASHR, 8)
        .mul(x1)
        .add(codes.lanewise(VectorOperators.LSHL, 8).lanewise(VectorOperators.ASHR, 8).mul(x0))
        .reinterpretAsInts();
  }

  /** The sum of both halves of each lane. */
  static IntVector sumHalves(IntVector pairs) {
    return pairs
        .lanewise(VectorOperators.LSHL, 16)
        .lanewise(VectorOperators.ASHR, 16)
        .add(pairs.lanewise(VectorOperators.ASHR, 16));
  }

  /** {@link #sumPairs} of vectors of 8. */
  static IntVector sumShort(IntVector a, IntVector b) {
    return CodeStreams.EVEN.selectFrom(a, b).add(CodeStreams.ODD.selectFrom(a, b));
  }

  /** Sums of neighbouring lanes, of a in the lower half and of b in the upper. */
  static IntVector sumPairs(IntVector a, IntVector b) {
    return CodePanels.EVEN.selectFrom(a, b).add(CodePanels.ODD.selectFrom(a, b));
  }

  /** What four {@link Quad}s have summed, under its scales: a lane for each row. */
  record Join(int vectors) {
    /**
     * @param scales of the activations
     * @param widened (blocks, L) scales of the weights
     * @param from (blocks, vectors, L) of {@code sums}
     * @param to L sums
     */
    void run(float[] m, int[] sums, int blocks, int scales, int widened, int from, int to) {
      FloatVector product = FloatVector.zero(F);
      for (int b = 0; b < blocks; b++) {
        IntVector[] sum = new IntVector[vectors];
        for (int v = 0; v < vectors; v++) {
          sum[v] = IntVector.fromArray(I, sums, from + (b * vectors + v) * L);
        }
        IntVector all = sumPairs(sum[0], sum[1]);
        FloatVector d = FloatVector.fromArray(F, m, widened + b * L).mul(m[scales + b]);
        product = d.fma((FloatVector) all.convert(VectorOperators.I2F, 0), product);
      }
      product.intoArray(m, to);
    }
  }

  /** Codes of Q8_0 blocks: 32 bytes behind a scale. */
  record Bytes() {
    /** To {@code codes} from {@code at} on. */
    void run(byte[] raw, byte[] codes, int at, int blocks) {
      int parts = CodeRows.PARTS;
      for (int i = 0; i < parts * blocks; i++) {
        int column = i % parts * 16;
        ByteVector.fromArray(CodeRows.B, raw, 34 * (i / parts) + 2 + column)
            .intoArray(codes, at + 32 * (i / parts) + column);
      }
    }
  }

  /** Codes of Q4_0 blocks: nibbles less 8, behind a scale. */
  record Nibbles() {
    /** To {@code codes} from {@code at} on. */
    void run(byte[] raw, byte[] codes, int at, int blocks) {
      for (int b = 0; b < blocks; b++) {
        int to = at + 32 * b;
        ByteVector q = ByteVector.fromArray(ByteVector.SPECIES_128, raw, 18 * b + 2);
        q.and((byte) 15).sub((byte) 8).intoArray(codes, to);
        shiftRight(q, 4).and((byte) 15).sub((byte) 8).intoArray(codes, to + 16);
      }
    }
  }

  /** Codes of Q5_0 blocks: nibbles, less 16 where their bit of four bytes is not set. */
  record Fifths() {
    /** To {@code codes} from {@code at} on. */
    void run(byte[] raw, byte[] codes, int at, int blocks) {
      for (int b = 0; b < blocks; b++) {
        int to = at + 32 * b;
        ByteVector q = ByteVector.fromArray(ByteVector.SPECIES_128, raw, 22 * b + 6);
        ByteVector bits = ByteVector.fromArray(ByteVector.SPECIES_128, raw, 22 * b + 2);
        fifth(q, bits.rearrange(CodeRows.LOW_BITS)).intoArray(codes, to);
        fifth(shiftRight(q, 4), bits.rearrange(CodeRows.HIGH_BITS)).intoArray(codes, to + 16);
      }
    }
  }

  static ByteVector fifth(ByteVector q, ByteVector bits) {
    return q.and((byte) 15)
        .sub((byte) 16, bits.and(CodeRows.BITS).compare(VectorOperators.EQ, (byte) 0));
  }

  /** Codes of Q4_K blocks: 32 bytes of nibbles for each pair of groups of 32. */
  record NibbleGroups() {
    /** To {@code codes} from {@code at} on. */
    void run(byte[] raw, byte[] codes, int at, int blocks) {
      int parts = CodeRows.PARTS;
      for (int i = 0; i < parts * blocks; i++) {
        int column = i % parts * 16;
        int from = 144 * (i / parts) + 16 + column;
        int to = at + 256 * (i / parts) + column;
        for (int pair = 0; pair < 4; pair++) {
          ByteVector q = ByteVector.fromArray(CodeRows.B, raw, from + 32 * pair);
          q.and((byte) 15).intoArray(codes, to + 64 * pair);
          shiftRight(q, 4).and((byte) 15).intoArray(codes, to + 64 * pair + 32);
        }
      }
    }
  }

  /** Codes of Q5_K blocks: the same, and 32 bytes with a bit of each group before them. */
  record FifthGroups() {
    /** To {@code codes} from {@code at} on. */
    void run(byte[] raw, byte[] codes, int at, int blocks) {
      int parts = CodeRows.PARTS;
      for (int i = 0; i < parts * blocks; i++) {
        int column = i % parts * 16;
        int from = 176 * (i / parts) + column;
        int to = at + 256 * (i / parts) + column;
        ByteVector h = ByteVector.fromArray(CodeRows.B, raw, from + 16);
        for (int pair = 0; pair < 4; pair++) {
          ByteVector q = ByteVector.fromArray(CodeRows.B, raw, from + 48 + 32 * pair);
          ByteVector even = pair < 2 ? shiftLeft(h, 4 - 2 * pair) : shiftRight(h, 2 * pair - 4);
          ByteVector odd = pair < 2 ? shiftLeft(h, 3 - 2 * pair) : shiftRight(h, 2 * pair - 3);
          q.and((byte) 15).or(even.and((byte) 16)).intoArray(codes, to + 64 * pair);
          shiftRight(q, 4)
              .and((byte) 15)
              .or(odd.and((byte) 16))
              .intoArray(codes, to + 64 * pair + 32);
        }
      }
    }
  }

  /** Codes of Q6_K blocks: for each half 64 bytes of nibbles and 32 of pairs of high bits. */
  record Sixths() {
    /** To {@code codes} from {@code at} on. */
    void run(byte[] raw, byte[] codes, int at, int blocks) {
      int parts = CodeRows.PARTS;
      for (int i = 0; i < 2 * parts * blocks; i++) {
        int column = i % parts * 16;
        int half = i / parts % 2;
        int block = 210 * (i / parts / 2);
        int from = block + 64 * half + column;
        int to = at + 128 * (i / parts) + column;
        ByteVector a = ByteVector.fromArray(CodeRows.B, raw, from);
        ByteVector c = ByteVector.fromArray(CodeRows.B, raw, from + 32);
        ByteVector h = ByteVector.fromArray(CodeRows.B, raw, block + 128 + 32 * half + column);
        sixth(a, shiftLeft(h, 4)).intoArray(codes, to);
        sixth(c, shiftLeft(h, 2)).intoArray(codes, to + 32);
        sixth(shiftRight(a, 4), h).intoArray(codes, to + 64);
        sixth(shiftRight(c, 4), shiftRight(h, 2)).intoArray(codes, to + 96);
      }
    }
  }

  /** Four low bits and, from bit 4 on, two high ones, less 32. */
  static ByteVector sixth(ByteVector low, ByteVector high) {
    return low.and((byte) 15).or(high.and((byte) 0x30)).sub((byte) 32);
  }

  /** Shifts of pairs of bytes: what comes from the neighbour must be masked. */
  static ByteVector shiftRight(ByteVector v, int bits) {
    return v.reinterpretAsShorts().lanewise(VectorOperators.LSHR, bits).reinterpretAsBytes();
  }

  static ByteVector shiftLeft(ByteVector v, int bits) {
    return v.reinterpretAsShorts().lanewise(VectorOperators.LSHL, bits).reinterpretAsBytes();
  }

  /**
   * Sums of the products of one row of activations and four rows of codes: of each step L / 4
   * neighbouring lanes of each row, 16 products in each. See {@link Quad} for what fits where.
   */
  record Dot(int rows) {
    /**
     * @param s codes of both, and where sums go
     * @param at where the row of activations begins
     * @param to (steps, QUADS, L) of {@code s.sums}, L of each step
     */
    void run(CodeDots s, int at, int to) {
      byte[] w = s.weights;
      short[] x = s.x;
      int[] sums = s.sums;
      int steps = s.steps;
      int stride = s.stride;
      for (int i = 0; i < steps; i++) {
        int step = i * (4 * L);
        ShortVector x0 = ShortVector.fromArray(Lanes.SHORTS, x, at + step);
        ShortVector x1 = ShortVector.fromArray(Lanes.SHORTS, x, at + step + 2 * L);
        IntVector[] sum = new IntVector[rows];
        for (int r = 0; r < rows; r++) {
          ShortVector codes =
              ByteVector.fromArray(Lanes.BYTES, w, step + r * stride).reinterpretAsShorts();
          IntVector both = pairs(codes, x0, x1);
          sum[r] = sumHalves(both);
        }
        sum[0] = sumPairs(sum[0], sum[1]);
        sum[2] = sumPairs(sum[2], sum[3]);
        sumPairs(sum[0], sum[2]).intoArray(sums, to + i * (CodeDots.QUADS * L));
      }
    }
  }

  /**
   * What {@link Dot}s have summed of L rows, under their scales: a lane for each row. A step has
   * {@code vectors / 2} blocks of 32, each one run or, in {@code halves}, two.
   */
  record Fold(int vectors, boolean halves, boolean minima) {
    /**
     * @param s sums, scales and minima of the weights, and where L sums go
     * @param from (steps, vectors, L) of {@code s.sums}
     * @param scales (runs) of the activations
     * @param totals (runs) scale times the sum of their codes
     */
    void run(CodeDots s, int from, int scales, int totals) {
      float[] m = s.m;
      int[] sums = s.sums;
      int steps = s.steps;
      int weights = s.weightScales;
      int minimum = s.weightMinima;
      final int runs = vectors / 2 * (halves ? 2 : 1);
      FloatVector product = FloatVector.zero(F);
      for (int i = 0; i < steps; i++) {
        IntVector[] v = new IntVector[vectors];
        for (int j = 0; j < vectors; j++) {
          v[j] = IntVector.fromArray(I, sums, from + (i * vectors + j) * L);
        }
        IntVector[] sum = new IntVector[runs];
        if (vectors == 2) {
          if (halves) {
            sum[0] = CodePanels.EVEN.selectFrom(v[0], v[1]);
            sum[1] = CodePanels.ODD.selectFrom(v[0], v[1]);
          } else {
            sum[0] = sumPairs(v[0], v[1]);
          }
        } else if (halves) {
          IntVector even0 = CodePanels.EVEN.selectFrom(v[0], v[1]);
          IntVector even1 = CodePanels.EVEN.selectFrom(v[2], v[3]);
          IntVector odd0 = CodePanels.ODD.selectFrom(v[0], v[1]);
          IntVector odd1 = CodePanels.ODD.selectFrom(v[2], v[3]);
          sum[0] = CodePanels.EVEN.selectFrom(even0, even1);
          sum[1] = CodePanels.EVEN.selectFrom(odd0, odd1);
          sum[2] = CodePanels.ODD.selectFrom(even0, even1);
          sum[3] = CodePanels.ODD.selectFrom(odd0, odd1);
        } else {
          v[0] = sumPairs(v[0], v[1]);
          v[2] = sumPairs(v[2], v[3]);
          sum[0] = CodePanels.EVEN.selectFrom(v[0], v[2]);
          sum[1] = CodePanels.ODD.selectFrom(v[0], v[2]);
        }
        for (int r = 0; r < runs; r++) {
          FloatVector d =
              FloatVector.fromArray(F, m, weights + (i * runs + r) * L)
                  .mul(m[scales + i * runs + r]);
          product = d.fma((FloatVector) sum[r].convert(VectorOperators.I2F, 0), product);
          if (minima) {
            product =
                FloatVector.fromArray(F, m, minimum + (i * runs + r) * L)
                    .fma(FloatVector.broadcast(F, m[totals + i * runs + r]), product);
          }
        }
      }
      product.intoArray(m, s.to);
    }
  }
}

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
          new Join(2));

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
          ShortVector even =
              w.lanewise(VectorOperators.LSHL, 8).lanewise(VectorOperators.ASHR, 8).mul(x0);
          IntVector pairs =
              w.lanewise(VectorOperators.ASHR, 8).mul(x1).add(even).reinterpretAsInts();
          sum[r] =
              pairs
                  .lanewise(VectorOperators.LSHL, 16)
                  .lanewise(VectorOperators.ASHR, 16)
                  .add(pairs.lanewise(VectorOperators.ASHR, 16));
        }
        sum[0] = sumShort(sum[0], sum[1]);
        sum[2] = sumShort(sum[2], sum[3]);
        sumShort(sum[0], sum[2]).intoArray(sums, to + b * (2 * L));
      }
    }
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
}

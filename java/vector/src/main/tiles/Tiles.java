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
import static io.mla4j.vector.Tiles.Format.BF16;
import static io.mla4j.vector.Tiles.Format.F32;
import static io.mla4j.vector.Tiles.Source.CACHE;
import static io.mla4j.vector.Tiles.Source.SLAB;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import java.lang.foreign.MemorySegment;
import java.util.List;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShuffle;

/**
 * The register tiles of all products: sums that stay in registers while an inner dimension passes.
 *
 * <p>This is a template. Unroll writes every tile of {@link #TILES} out as a static method named
 * after it, {@code new RowsInLanes(12, 2, F32)} as {@code Tiles.rowsInLanes12x2F32}: there,
 * components of a record are constants, loops over them straight lines, and arrays variables. What
 * is written there for an operand is written once here, for every size and format.
 *
 * <p>A tile works on one float array, the {@link Slab}; its arguments are indices of that.
 */
final class Tiles {
  /**
   * 512 bits have 32 registers, and 12 x 2, 4 x 4, 3 x 8 or 6 x 4 sums fit; shorter vectors have
   * 16, and half of them hold sums.
   */
  static final List<Record> TILES =
      List.of(
          new RowsInLanes(12, 2, F32),
          new RowsInLanes(12, 2, BF16),
          new RowsInLanes(16, 1, F32),
          new RowsInLanes(16, 1, BF16),
          new RowsInLanes(4, 2, F32),
          new RowsInLanes(8, 1, F32),
          new DimensionsInLanes(4, 4, F32, SLAB),
          new DimensionsInLanes(4, 4, BF16, SLAB),
          new DimensionsInLanes(4, 4, BF16, CACHE),
          new DimensionsInLanes(2, 4, F32, SLAB),
          new DimensionsInLanes(1, 4, F32, SLAB),
          new DimensionsInLanes(1, 4, BF16, SLAB),
          new Panel(3, 8),
          new Panel(1, 8),
          new Panel(2, 4),
          new Panel(1, 4),
          new Streams(4, F32),
          new Streams(4, BF16),
          new Weighted(4, 4, F32),
          new Weighted(1, 4, F32),
          new Weighted(4, 2, F32),
          new Weighted(1, 2, F32),
          new Weighted(1, 1, F32),
          new Weighted(6, 4, BF16),
          new Weighted(4, 4, BF16),
          new Weighted(1, 4, BF16),
          new Weighted(1, 2, BF16));

  /** How elements lie in a float of the slab, or in memory. */
  enum Format {
    F32 {
      @Override
      int elements() {
        return 1;
      }

      @Override
      FloatVector element(FloatVector floats, int i) {
        return floats;
      }

      @Override
      FloatVector load(MemorySegment memory, long at, int i) {
        return FloatVector.fromMemorySegment(F, memory, at + 4L * i, LITTLE_ENDIAN);
      }
    },

    /** The lower half of a float is the element of even index. */
    BF16 {
      @Override
      int elements() {
        return 2;
      }

      @Override
      FloatVector element(FloatVector floats, int i) {
        return (i == 0
                ? floats.reinterpretAsInts().lanewise(VectorOperators.LSHL, 16)
                : floats.reinterpretAsInts().and(0xffff0000))
            .reinterpretAsFloats();
      }

      @Override
      FloatVector load(MemorySegment memory, long at, int i) {
        return Lanes.loadBf16(memory, at + 2L * i);
      }
    };

    /** Elements in a float. */
    abstract int elements();

    /** Element i of every float, widened. */
    abstract FloatVector element(FloatVector floats, int i);

    /**
     * A vector of elements in their order, widened, of which the first is element i at {@code at}.
     */
    abstract FloatVector load(MemorySegment memory, long at, int i);
  }

  /**
   * Scores with query rows in the lanes: to[j, row] = sum over d of q[d, row] k[j, d], each in
   * rising order.
   *
   * @param keys of the tile
   * @param vectors of query rows
   * @param format of keys
   */
  record RowsInLanes(int keys, int vectors, Format format) {
    /**
     * @param q (width, vectors L)
     * @param k (keys, kStride)
     * @param width elements of a key, even
     * @param to (keys, vectors L)
     */
    void run(float[] m, int q, int k, int kStride, int width, int to) {
      final int elements = format.elements();
      // of a key at a time: one vector of rows leaves too little to do between two loads
      final int floats = vectors * elements == 1 ? 2 : 1;
      int[] key = new int[keys];
      FloatVector[][] sum = new FloatVector[keys][vectors];
      for (int j = 0; j < keys; j++) {
        key[j] = j == 0 ? k : key[j - 1] + kStride;
        for (int i = 0; i < vectors; i++) {
          sum[j][i] = FloatVector.zero(F);
        }
      }
      for (int f = 0; f < width / elements; f += floats) {
        int at = q + f * (elements * vectors) * L;
        FloatVector[][] a = new FloatVector[floats * elements][vectors];
        for (int e = 0; e < floats * elements; e++) {
          for (int i = 0; i < vectors; i++) {
            a[e][i] = FloatVector.fromArray(F, m, at + (e * vectors + i) * L);
          }
        }
        for (int j = 0; j < keys; j++) {
          for (int g = 0; g < floats; g++) {
            FloatVector both = FloatVector.broadcast(F, m[key[j] + f + g]);
            for (int e = 0; e < elements; e++) {
              FloatVector b = format.element(both, e);
              for (int i = 0; i < vectors; i++) {
                sum[j][i] = a[g * elements + e][i].fma(b, sum[j][i]);
              }
            }
          }
        }
      }
      for (int j = 0; j < keys; j++) {
        for (int i = 0; i < vectors; i++) {
          sum[j][i].intoArray(m, to + (j * vectors + i) * L);
        }
      }
    }
  }

  /**
   * Scores with dimensions in the lanes: sum[j, r] = sum over d of q[r, d] k[j, d].
   *
   * @param rows of q
   * @param keys rows of k
   * @param format of keys; elements of q are in the order in which it widens
   * @param source of keys
   */
  record DimensionsInLanes(int rows, int keys, Format format, Source source) {
    /**
     * @param scores its strides and widths, and the rows of the cache
     * @param q (rows, qStride)
     * @param k (keys, kStride)
     * @param to of 16 sums, to[j, r]; of fewer, the vectors of their lanes, to[r, j]
     */
    void run(DimensionScores scores, int q, int k, int to) {
      final int elements = format.elements();
      final boolean copies = source == CACHE;
      float[] m = scores.m;
      MemorySegment cache = scores.cache;
      int width = scores.width;
      int[] row = new int[rows];
      int[] key = new int[keys];
      long[] token = new long[copies ? keys : 0];
      FloatVector[] sum = new FloatVector[rows * keys];
      for (int r = 0; r < rows; r++) {
        row[r] = r == 0 ? q : row[r - 1] + scores.qStride;
      }
      for (int j = 0; j < keys; j++) {
        key[j] = j == 0 ? k : key[j - 1] + scores.kStride;
        if (copies) {
          token[j] = scores.cached[j];
        }
      }
      for (int s = 0; s < rows * keys; s++) {
        sum[s] = FloatVector.zero(F);
      }
      for (int i = 0; i < width / elements; i += L) {
        FloatVector[][] a = new FloatVector[elements][rows];
        for (int r = 0; r < rows; r++) {
          for (int e = 0; e < elements; e++) {
            a[e][r] = FloatVector.fromArray(F, m, row[r] + elements * i + e * L);
          }
        }
        for (int j = 0; j < keys; j++) {
          FloatVector floats =
              copies ? F32.load(cache, token[j], i) : FloatVector.fromArray(F, m, key[j] + i);
          if (copies) {
            floats.intoArray(m, key[j] + i);
          }
          for (int e = 0; e < elements; e++) {
            FloatVector b = format.element(floats, e);
            for (int r = 0; r < rows; r++) {
              sum[j * rows + r] = a[e][r].fma(b, sum[j * rows + r]);
            }
          }
        }
      }
      if (rows * keys == 16) {
        for (int bit = 1; bit < 16; bit *= 2) {
          for (int s = 0; s < 16; s += 2 * bit) {
            sum[s] = sumHalves(sum[s], sum[s + bit], mask(bit), swap(bit));
          }
        }
        sum[0].intoArray(m, to);
      } else {
        for (int r = 0; r < rows; r++) {
          for (int j = 0; j < keys; j++) {
            sum[j * rows + r].intoArray(m, to + (r * keys + j) * L);
          }
        }
      }
    }
  }

  /**
   * Where keys are: in the slab, or still in the cache and copied on the way, since stores cost
   * nothing beside the multiplications.
   */
  enum Source {
    SLAB,
    CACHE
  }

  /**
   * Partial sums of a in the lanes without the bit, of b in those with it: a level of {@link
   * Lanes#sumLanes}.
   */
  static FloatVector sumHalves(
      FloatVector a, FloatVector b, VectorMask<Float> bit, VectorShuffle<Float> swap) {
    return a.blend(b, bit).add(b.blend(a, bit).rearrange(swap));
  }

  static VectorMask<Float> mask(int bit) {
    return bit == 1 ? BIT_1 : bit == 2 ? BIT_2 : bit == 4 ? BIT_4 : BIT_8;
  }

  static VectorShuffle<Float> swap(int bit) {
    return bit == 1 ? SWAP_1 : bit == 2 ? SWAP_2 : bit == 4 ? SWAP_4 : SWAP_8;
  }

  /**
   * Dot products with a panel of widened rows, {@link DotProducts#PANEL_STRIDE} apart, dimensions
   * in the lanes: adds to the vectors sum[r, j].
   */
  record Panel(int rows, int columns) {
    /**
     * @param x (rows, xStride)
     * @param panel (columns, PANEL_STRIDE)
     * @param width whole vectors
     * @param to (rows, columns, L)
     */
    void run(float[] m, int x, int xStride, int panel, int width, int to) {
      int[] row = new int[rows];
      FloatVector[][] sum = new FloatVector[rows][columns];
      for (int r = 0; r < rows; r++) {
        row[r] = r == 0 ? x : row[r - 1] + xStride;
        for (int j = 0; j < columns; j++) {
          sum[r][j] = FloatVector.fromArray(F, m, to + (r * columns + j) * L);
        }
      }
      for (int i = 0; i < width; i += L) {
        int at = panel + i;
        FloatVector[] a = new FloatVector[rows];
        for (int r = 0; r < rows; r++) {
          a[r] = FloatVector.fromArray(F, m, row[r] + i);
        }
        for (int j = 0; j < columns; j++) {
          FloatVector b = FloatVector.fromArray(F, m, at + j * DotProducts.PANEL_STRIDE);
          for (int r = 0; r < rows; r++) {
            sum[r][j] = a[r].fma(b, sum[r][j]);
          }
        }
      }
      for (int r = 0; r < rows; r++) {
        for (int j = 0; j < columns; j++) {
          sum[r][j].intoArray(m, to + (r * columns + j) * L);
        }
      }
    }
  }

  /**
   * Dot products of one row and rows that come from memory as streams, dimensions in the lanes: the
   * vectors of their lanes.
   */
  record Streams(int columns, Format format) {
    /**
     * @param x one row
     * @param from where in memory the first row of w begins, in bytes
     * @param apart bytes between its rows
     * @param width whole vectors
     * @param to (columns, L)
     */
    void run(float[] m, int x, MemorySegment memory, long from, long apart, int width, int to) {
      long[] column = new long[columns];
      FloatVector[] sum = new FloatVector[columns];
      for (int j = 0; j < columns; j++) {
        column[j] = j == 0 ? from : column[j - 1] + apart;
        sum[j] = FloatVector.zero(F);
      }
      for (int i = 0; i < width; i += L) {
        FloatVector a = FloatVector.fromArray(F, m, x + i);
        for (int j = 0; j < columns; j++) {
          sum[j] = a.fma(format.load(memory, column[j], i), sum[j]);
        }
      }
      for (int j = 0; j < columns; j++) {
        sum[j].intoArray(m, to + j * L);
      }
    }
  }

  /**
   * Weighted sums of values with dimensions in the lanes: to[r, :] = factors[r] to[r, :] + sum over
   * t of p[t, r] v[t, :], each in the order of the values.
   *
   * @param rows of sums
   * @param vectors of a row
   * @param format of values; elements of sums are in the order in which it widens
   */
  record Weighted(int rows, int vectors, Format format) {
    /**
     * @param sums their strides
     * @param p (values, pStride)
     * @param v (values, vStride)
     * @param to (rows, outStride)
     */
    void run(WeightedSums sums, int p, int v, int values, int factors, int to) {
      final int elements = format.elements();
      float[] m = sums.m;
      int pStride = sums.pStride;
      int vStride = sums.vStride;
      int[] out = new int[rows];
      FloatVector[][] sum = new FloatVector[rows][vectors];
      for (int r = 0; r < rows; r++) {
        out[r] = r == 0 ? to : out[r - 1] + sums.outStride;
        for (int i = 0; i < vectors; i++) {
          sum[r][i] = FloatVector.fromArray(F, m, out[r] + i * L).mul(m[factors + r]);
        }
      }
      for (int t = 0; t < values; t++) {
        int at = v + t * vStride;
        int weight = p + t * pStride;
        FloatVector[] x = new FloatVector[vectors];
        for (int i = 0; i < vectors / elements; i++) {
          FloatVector floats = FloatVector.fromArray(F, m, at + i * L);
          for (int e = 0; e < elements; e++) {
            x[i * elements + e] = format.element(floats, e);
          }
        }
        for (int r = 0; r < rows; r++) {
          FloatVector b = FloatVector.broadcast(F, m[weight + r]);
          for (int i = 0; i < vectors; i++) {
            sum[r][i] = x[i].fma(b, sum[r][i]);
          }
        }
      }
      for (int r = 0; r < rows; r++) {
        for (int i = 0; i < vectors; i++) {
          sum[r][i].intoArray(m, out[r] + i * L);
        }
      }
    }
  }
}

package io.mla4j.vector;

import static io.mla4j.vector.Lanes.F;
import static io.mla4j.vector.Lanes.L;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import io.mla4j.ops.Codes;
import io.mla4j.ops.Floats;
import io.mla4j.ops.HeadMatrices;
import io.mla4j.ops.Int8;
import io.mla4j.ops.Weight;
import io.mla4j.spi.HeadProduct;
import io.mla4j.spi.MatrixProduct;
import io.mla4j.spi.Tile;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Linear layers and the small linears of each head whose weights are multiplied as integer codes:
 * {@link Int8} is their definition.
 */
final class VectorCodes {
  /** Columns of y that are collected before they are written: whole panels. */
  private static final int COLUMNS = 256;

  /** Bytes of a packed block: a scale and its codes. A row is its scales, then its codes. */
  private static final int BLOCK_BYTES = Float.BYTES + Int8.BLOCK;

  private static final ThreadLocal<VectorCodes> OF_THREAD =
      ThreadLocal.withInitial(VectorCodes::new);

  /** 1.5 * 2^23: what is added to it and taken off again is rounded to the nearest integer. */
  private static final float ROUND = 12582912f;

  /** Below it a block is rounded by the definition itself, as one that is not finite. */
  private static final float SMALL = 0x1p-60f;

  /** How a product is computed: the bits are the same. */
  private enum Way {
    STREAMS,
    DOTS,
    PANELS
  }

  private final Codes rounded = new Codes();
  private final int[] integers = new int[Int8.BLOCK];
  private Way way = Way.PANELS;

  private VectorCodes() {}

  /** The calling thread's own. */
  static VectorCodes ofThread() {
    return OF_THREAD.get();
  }

  /** {@link io.mla4j.spi.Pack}. */
  void pack(MatrixProduct p, Tile tile) {
    int k = p.k();
    int padded = Int8.blocks(k) * Int8.BLOCK;
    float[] m = Slab.ofThread(Slab.START + padded);
    rounded.reserve(padded);
    boolean gathered = p.indices().byteSize() != 0;
    for (int i = tile.rowBegin(); i < tile.rowEnd(); i++) {
      long source = gathered ? Floats.getInt(p.indices(), i) : i;
      Floats.read(p.x(), source * p.xStride(), m, Slab.START, k);
      round(m, Slab.START, k, 0);
      long at = (long) i * Int8.blocks(k) * BLOCK_BYTES;
      long codesAt = at + (long) Int8.blocks(k) * Float.BYTES;
      MemorySegment.copy(
          rounded.scales(), 0, tile.workspace(), JAVA_FLOAT_UNALIGNED, at, Int8.blocks(k));
      MemorySegment.copy(rounded.codes(), 0, tile.workspace(), JAVA_BYTE, codesAt, padded);
    }
  }

  /** Rows that {@link #pack} wrote, as if rounded now. */
  private void read(MemorySegment packed, int row, int rows, int k) {
    int blocks = Int8.blocks(k);
    rounded.reserve(rows * blocks * Int8.BLOCK);
    for (int r = 0; r < rows; r++) {
      long at = (long) (row + r) * blocks * BLOCK_BYTES;
      long codesAt = at + (long) blocks * Float.BYTES;
      MemorySegment.copy(packed, JAVA_FLOAT_UNALIGNED, at, rounded.scales(), r * blocks, blocks);
      MemorySegment.copy(
          packed,
          JAVA_BYTE,
          codesAt,
          rounded.codes(),
          r * blocks * Int8.BLOCK,
          blocks * Int8.BLOCK);
    }
  }

  /**
   * {@link Int8#round} of the row {@code m[from .. from + n)}, to {@code rounded} from {@code at}
   * on. Overwrites what follows the row in its last block.
   */
  private void round(float[] m, int from, int n, int at) {
    int padded = Int8.blocks(n) * Int8.BLOCK;
    Arrays.fill(m, from + n, from + padded, 0);
    for (int i = 0; i < padded; i += Int8.BLOCK) {
      float largest = largest(m, from + i);
      if (largest >= SMALL && largest < Float.POSITIVE_INFINITY) {
        rounded.scales()[(at + i) / Int8.BLOCK] = largest / 127;
        roundBlock(m, from + i, 127 / largest, rounded.codes(), at + i);
      } else {
        Int8.round(m, from + i, Int8.BLOCK, rounded, at + i);
      }
    }
  }

  private static float largest(float[] m, int from) {
    FloatVector largest = FloatVector.zero(F);
    for (int i = 0; i < Int8.BLOCK; i += L) {
      FloatVector x = FloatVector.fromArray(F, m, from + i);
      largest = largest.max(x.lanewise(VectorOperators.ABS));
    }
    return largest.reduceLanes(VectorOperators.MAX);
  }

  private void roundBlock(float[] m, int from, float inverse, byte[] codes, int at) {
    for (int i = 0; i < Int8.BLOCK; i += L) {
      FloatVector x = FloatVector.fromArray(F, m, from + i).mul(inverse);
      ((IntVector) x.add(ROUND).sub(ROUND).convert(VectorOperators.F2I, 0)).intoArray(integers, i);
    }
    for (int i = 0; i < Int8.BLOCK; i++) {
      codes[at + i] = (byte) integers[i];
    }
  }

  /** {@link io.mla4j.spi.Multiply}. */
  void multiply(MatrixProduct p, Tile tile) {
    int nBegin = tile.rowBegin();
    int nEnd = tile.rowEnd();
    MemorySegment bias = p.bias().byteSize() == 0 ? null : p.bias();
    int block = Math.min(p.rows(), CodePanels.MAX_ROWS);
    int scratch = Slab.START;
    int c = Slab.after(scratch, begin(p.matrix(), block, nEnd - nBegin));
    // streams read the whole range
    int width =
        way == Way.STREAMS ? nEnd - nBegin : Math.min(COLUMNS, CodePanels.roundUp(nEnd - nBegin));
    int biases = Slab.after(c, block * width);
    float[] m = Slab.ofThread(Slab.after(biases, width));
    for (int row = 0; row < p.rows(); row += block) {
      int rows = Math.min(block, p.rows() - row);
      read(tile.workspace(), row, rows, p.k());
      for (int n = nBegin; n < nEnd; n += width) {
        int columns = Math.min(width, nEnd - n);
        weight(m, scratch, p.matrix()).times(rounded, rows, n, columns, c, width);
        if (bias != null) {
          Floats.read(bias, n, m, biases, columns);
        }
        for (int r = 0; r < rows; r++) {
          int at = c + r * width;
          for (int j = 0; bias != null && j < columns; j++) {
            m[at + j] += m[biases + j];
          }
          Floats.write(m, at, p.y(), (row + r) * p.yStride() + n, columns);
        }
      }
    }
  }

  /** Heads whose matrices are {@code out x in}. */
  void ofHeads(HeadProduct p, Tile tile) {
    HeadMatrices matrices = p.matrices();
    int in = p.in();
    int out = p.out();
    int padded = Int8.blocks(in) * Int8.BLOCK;
    int width = CodePanels.roundUp(out);
    int block = Math.min(CodePanels.MAX_ROWS, tile.rowEnd() - tile.rowBegin());
    int scratch = Slab.START;
    int x = Slab.after(scratch, begin(matrices.weight(), block, out));
    int c = Slab.after(x, padded);
    float[] m = Slab.ofThread(Slab.after(c, block * width));
    rounded.reserve(block * padded);
    for (int h = tile.headBegin(); h < tile.headEnd(); h++) {
      long first = matrices.firstRow() + (long) h * matrices.headRows();
      for (int t = tile.rowBegin(); t < tile.rowEnd(); t += block) {
        int tokens = Math.min(block, tile.rowEnd() - t);
        for (int i = 0; i < tokens; i++) {
          Floats.read(p.x(), (t + i) * p.xTokenStride() + h * p.xHeadStride(), m, x, in);
          round(m, x, in, i * padded);
        }
        weight(m, scratch, matrices.weight()).times(rounded, tokens, first, out, c, width);
        for (int i = 0; i < tokens; i++) {
          long to = (t + i) * p.yTokenStride() + h * p.yHeadStride();
          Floats.write(m, c + i * width, p.y(), to, out);
        }
      }
    }
  }

  /** Chooses how so many rows are multiplied; floats that it needs of the slab. */
  private int begin(Weight weight, int rows, int n) {
    way =
        CodeStreams.fits(weight, rows, n)
            ? Way.STREAMS
            : CodeDots.fits(rows) ? Way.DOTS : Way.PANELS;
    return switch (way) {
      case STREAMS -> CodeStreams.scratch(weight.in());
      case DOTS -> CodeDots.scratch(weight);
      case PANELS -> CodePanels.scratch(rows);
    };
  }

  private CodeProduct weight(float[] m, int scratch, Weight weight) {
    return switch (way) {
      case STREAMS -> CodeStreams.ofThread().set(m, scratch, weight);
      case DOTS -> CodeDots.ofThread().set(m, scratch, weight);
      case PANELS -> CodePanels.ofThread().set(m, scratch, weight);
    };
  }
}

package io.mla4j.cpu;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import io.mla4j.ops.Codes;
import io.mla4j.ops.Coding;
import io.mla4j.ops.Floats;
import io.mla4j.ops.Int8;
import io.mla4j.ops.Scratch;
import io.mla4j.spi.HeadProduct;
import io.mla4j.spi.MatrixProduct;
import io.mla4j.spi.Tile;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** Linear layers and the small products of each head. */
final class ScalarLinear {
  /** Rows of activations that the weights pass by at once. */
  private static final int BLOCK = 64;

  /** Bytes of a block of rounded activations: a scale and its codes. */
  private static final int ROUNDED_BLOCK = Float.BYTES + Int8.BLOCK;

  private ScalarLinear() {}

  /** Bytes of the packed form: rows of float32, or of the scales and codes of {@link Int8}. */
  static long packedBytes(MatrixProduct p) {
    return p.multipliesCodes()
        ? (long) p.rows() * Int8.blocks(p.k()) * ROUNDED_BLOCK
        : (long) p.rows() * p.k() * Float.BYTES;
  }

  static void pack(MatrixProduct p, Tile tile) {
    boolean gathered = !ScalarKernels.isNull(p.indices());
    float[] row = Scratch.ofThread().floats(0, p.k());
    for (int i = tile.rowBegin(); i < tile.rowEnd(); i++) {
      long source = gathered ? Floats.getInt(p.indices(), i) : i;
      Floats.read(p.x(), source * p.xStride(), row, 0, p.k());
      if (p.multipliesCodes()) {
        writeRounded(row, p.k(), tile.workspace(), i);
        continue;
      }
      Floats.roundIf(p.compute().roundsToBf16(), row, 0, p.k());
      Floats.write(row, 0, tile.workspace(), (long) i * p.k(), p.k());
    }
  }

  private static void writeRounded(float[] row, int k, MemorySegment to, long i) {
    int blocks = Int8.blocks(k);
    Codes x = Scratch.ofThread().codes(1, k);
    Int8.round(row, 0, k, x, 0);
    long at = i * blocks * ROUNDED_BLOCK;
    MemorySegment.copy(x.scales(), 0, to, JAVA_FLOAT_UNALIGNED, at, blocks);
    long codesAt = at + (long) blocks * Float.BYTES;
    MemorySegment.copy(x.codes(), 0, to, JAVA_BYTE, codesAt, blocks * Int8.BLOCK);
  }

  private static void readRounded(MemorySegment from, long i, int k, Codes x, int at) {
    int blocks = Int8.blocks(k);
    long offset = i * blocks * ROUNDED_BLOCK;
    MemorySegment.copy(from, JAVA_FLOAT_UNALIGNED, offset, x.scales(), at / Int8.BLOCK, blocks);
    long codesAt = offset + (long) blocks * Float.BYTES;
    MemorySegment.copy(from, JAVA_BYTE, codesAt, x.codes(), at, blocks * Int8.BLOCK);
  }

  static void multiply(MatrixProduct p, Tile tile) {
    if (p.multipliesCodes()) {
      multiplyCodes(p, tile);
    } else {
      multiplyFloats(p, tile);
    }
  }

  private static void multiplyCodes(MatrixProduct p, Tile tile) {
    Coding coding = p.weightType().requiredCoding();
    int padded = Int8.blocks(p.k()) * Int8.BLOCK;
    Codes w = Scratch.ofThread().codes(1, p.k());
    Codes x = Scratch.ofThread().codes(2, Math.min(p.rows(), BLOCK) * padded);
    for (int rowBegin = 0; rowBegin < p.rows(); rowBegin += BLOCK) {
      int rows = Math.min(BLOCK, p.rows() - rowBegin);
      for (int i = 0; i < rows; i++) {
        readRounded(tile.workspace(), rowBegin + i, p.k(), x, i * padded);
      }
      for (int n = tile.rowBegin(); n < tile.rowEnd(); n++) {
        p.matrix().codes(n, 0, w, 0, p.k());
        float b = ScalarKernels.isNull(p.bias()) ? 0 : Floats.get(p.bias(), n);
        for (int i = 0; i < rows; i++) {
          long at = (rowBegin + i) * p.yStride() + n;
          Floats.set(p.y(), at, Int8.dot(w, coding, x, i * padded, p.k()) + b);
        }
      }
    }
  }

  private static void multiplyFloats(MatrixProduct p, Tile tile) {
    Scratch scratch = Scratch.ofThread();
    float[] w = scratch.floats(0, p.k());
    float[] x = scratch.floats(1, Math.min(p.rows(), BLOCK) * p.k());
    for (int rowBegin = 0; rowBegin < p.rows(); rowBegin += BLOCK) {
      int rows = Math.min(BLOCK, p.rows() - rowBegin);
      Floats.read(tile.workspace(), (long) rowBegin * p.k(), x, 0, rows * p.k());
      for (int n = tile.rowBegin(); n < tile.rowEnd(); n++) {
        p.matrix().widen(n, 0, w, 0, p.k());
        float b = ScalarKernels.isNull(p.bias()) ? 0 : Floats.get(p.bias(), n);
        for (int i = 0; i < rows; i++) {
          long at = (rowBegin + i) * p.yStride() + n;
          Floats.set(p.y(), at, Floats.dot(x, i * p.k(), w, 0, p.k()) + b);
        }
      }
    }
  }

  static void ofHeads(HeadProduct p, Tile tile) {
    if (p.multipliesCodes()) {
      codesOfHeads(p, tile);
    } else {
      floatsOfHeads(p, tile);
    }
  }

  private static void codesOfHeads(HeadProduct p, Tile tile) {
    Coding coding = p.matrices().weight().format().requiredCoding();
    Scratch scratch = Scratch.ofThread();
    int padded = Int8.blocks(p.in()) * Int8.BLOCK;
    Codes w = scratch.codes(1, p.in());
    Codes x = scratch.codes(2, (tile.rowEnd() - tile.rowBegin()) * padded);
    float[] in = scratch.floats(1, p.in());
    for (int h = tile.headBegin(); h < tile.headEnd(); h++) {
      for (int t = tile.rowBegin(); t < tile.rowEnd(); t++) {
        Floats.read(p.x(), t * p.xTokenStride() + h * p.xHeadStride(), in, 0, p.in());
        Int8.round(in, 0, p.in(), x, (t - tile.rowBegin()) * padded);
      }
      for (int r = 0; r < p.out(); r++) {
        p.matrices().codes(h, r, w, p.in());
        for (int t = tile.rowBegin(); t < tile.rowEnd(); t++) {
          float product = Int8.dot(w, coding, x, (t - tile.rowBegin()) * padded, p.in());
          Floats.set(p.y(), t * p.yTokenStride() + h * p.yHeadStride() + r, product);
        }
      }
    }
  }

  private static void floatsOfHeads(HeadProduct p, Tile tile) {
    Scratch scratch = Scratch.ofThread();
    int rows = p.transposed() ? p.in() : p.out();
    int columns = p.transposed() ? p.out() : p.in();
    float[] w = scratch.floats(0, rows * columns);
    float[] in = scratch.floats(1, p.in());
    float[] out = scratch.floats(2, p.out());
    for (int h = tile.headBegin(); h < tile.headEnd(); h++) {
      for (int r = 0; r < rows; r++) {
        p.matrices().widen(h, r, w, r * columns, columns);
      }
      for (int t = tile.rowBegin(); t < tile.rowEnd(); t++) {
        Floats.read(p.x(), t * p.xTokenStride() + h * p.xHeadStride(), in, 0, p.in());
        Floats.roundIf(p.compute().roundsToBf16(), in, 0, p.in());
        if (p.transposed()) {
          Arrays.fill(out, 0, p.out(), 0);
          for (int r = 0; r < rows; r++) {
            Floats.axpy(in[r], w, r * columns, out, 0, columns);
          }
        } else {
          for (int r = 0; r < rows; r++) {
            out[r] = Floats.dot(in, 0, w, r * columns, columns);
          }
        }
        Floats.write(out, 0, p.y(), t * p.yTokenStride() + h * p.yHeadStride(), p.out());
      }
    }
  }
}

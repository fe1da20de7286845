package io.mla4j.vector;

import static io.mla4j.vector.Lanes.I;
import static io.mla4j.vector.Lanes.L;

import io.mla4j.ops.Codes;
import io.mla4j.ops.Int8;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Weight;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Products of a weight in Q8_0 and one or two rows of rounded activations, as {@link Int8} defines
 * them: memory is what they wait for, so that codes go from there into sums as they are stored.
 * Four streams of rows are read side by side, as in {@link DotProducts}.
 */
final class CodeStreams implements CodeProduct {
  /** Up to so many rows of activations; from there on a panel costs less. */
  static final int MAX_ROWS = 2;

  private static final int STREAMS = 4;

  /** Rows of the weight that are in work, so many of each stream. */
  private static final int QUADS = 4;

  private static final int GROUP = STREAMS * QUADS;

  private static final ThreadLocal<CodeStreams> OF_THREAD =
      ThreadLocal.withInitial(CodeStreams::new);

  MemorySegment memory;

  /** Codes of a row of activations, then those of the next. */
  short[] x = {};

  /** (quads, blocks, L) sums of four lanes of each row. */
  int[] sums = {};

  /** (blocks, L) scales of the weight, binary16. */
  short[] halves = {};

  int blocks;
  private float[] m;
  private int scratch;
  private long strideBytes;

  private CodeStreams() {}

  /** The calling thread's own: {@link #set} it before anything else. */
  static CodeStreams ofThread() {
    return OF_THREAD.get();
  }

  /** Whether such a product is one of these. */
  static boolean fits(Weight weight, int rows, int n) {
    return Lanes.WIDE
        && weight.format() == StorageFormat.Q8_0
        && !weight.isScaled()
        && rows <= MAX_ROWS
        && n >= GROUP;
  }

  /** Floats that a call needs of the slab for itself: scales and sums. */
  static int scratch(int k) {
    return Slab.roundUp(Int8.blocks(k)) + Int8.blocks(k) * L + L;
  }

  /**
   * What activations are multiplied with.
   *
   * @param scratch {@link #scratch} floats
   * @param weight (.., k) Q8_0
   */
  CodeStreams set(float[] m, int scratch, Weight weight) {
    this.m = m;
    this.scratch = scratch;
    memory = weight.tensor().segment();
    strideBytes = weight.format().bytes(weight.tensor().stride(0));
    blocks = Int8.blocks(weight.in());
    if (halves.length < blocks * L) {
      halves = new short[blocks * L];
      sums = new int[Slab.START + QUADS * blocks * L];
    }
    return this;
  }

  @Override
  public void times(Codes from, int rows, long first, int n, int c, int cStride) {
    int k = blocks * Int8.BLOCK;
    if (x.length < k) {
      x = new short[k];
    }
    long offset = first * strideBytes;
    int run = n / GROUP * QUADS;
    for (int r = 0; r < rows; r++) {
      for (int i = 0; i < k; i++) {
        x[i] = from.codes()[r * k + i];
      }
      System.arraycopy(from.scales(), r * blocks, m, scratch, blocks);
      for (int j = 0; j < run; j += QUADS) {
        int sum = multiply(offset + j * strideBytes, run * strideBytes, strideBytes);
        for (int i = 0; i < GROUP; i++) {
          m[c + r * cStride + i % STREAMS * run + j + i / STREAMS] = m[sum + i];
        }
      }
      if (run * STREAMS < n) {
        // the last rows, some of them once more
        int last = n - GROUP;
        int sum = multiply(offset + last * strideBytes, strideBytes, STREAMS * strideBytes);
        System.arraycopy(m, sum, m, c + r * cStride + last, GROUP);
      }
    }
  }

  /**
   * The products of a group: index of the slab.
   *
   * @param apart bytes between rows of different streams
   * @param next bytes between rows of a stream
   */
  private int multiply(long from, long apart, long next) {
    for (int q = 0; q < QUADS; q++) {
      CodeTiles.quad4(this, from + q * next, apart, Slab.START + q * blocks * L, q * STREAMS);
    }
    int widened = scratch + Slab.roundUp(blocks);
    for (int i = 0; i < blocks * L; i += L) {
      IntVector bits =
          (IntVector)
              ShortVector.fromArray(Lanes.S, halves, i)
                  .convertShape(VectorOperators.ZERO_EXTEND_S2I, I, 0);
      Lanes.widenF16(bits).intoArray(m, widened + i);
    }
    int to = widened + blocks * L;
    CodeTiles.join4(m, sums, blocks, scratch, widened, Slab.START, to);
    return to;
  }
}

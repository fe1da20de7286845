package io.mla4j.vector;

import static io.mla4j.vector.Lanes.I;
import static io.mla4j.vector.Lanes.L;

import io.mla4j.ops.Codes;
import io.mla4j.ops.Int8;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Weight;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.ByteVector;
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

  /** What the processor's own prefetching ends at. */
  private static final long PAGE = 4096;

  /** Which lanes of two vectors of 8 have an even number, and which an odd one. */
  static final IntVector EVEN =
      IntVector.fromArray(IntVector.SPECIES_256, new int[] {0, 2, 4, 6, 8, 10, 12, 14}, 0);

  static final IntVector ODD = EVEN.add(1);

  private static final ThreadLocal<CodeStreams> OF_THREAD =
      ThreadLocal.withInitial(CodeStreams::new);

  MemorySegment memory;

  /** Codes of rows of activations, in each block those of even number first. */
  short[] x = {};

  /** Where the row begins that is multiplied. */
  int at;

  /** (blocks, quads, L / 2) sums of two lanes of each row. */
  int[] sums = {};

  /** (blocks, L) scales of the weight, binary16. */
  short[] halves = {};

  int blocks;
  private float[] m;
  private int scratch;
  private long strideBytes;

  /** Keeps C2 from dropping the loads of {@link #touchPages}. */
  @SuppressWarnings("unused")
  private int touched;

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
    return Slab.roundUp(MAX_ROWS * Int8.blocks(k)) + Int8.blocks(k) * L + L;
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
      sums = new int[Slab.START + 2 * blocks * L];
    }
    return this;
  }

  @Override
  public void times(Codes from, int rows, long first, int n, int c, int cStride) {
    setRows(from, rows);
    long offset = first * strideBytes;
    int run = n / GROUP * QUADS;
    for (int j = 0; j < run; j += QUADS) {
      long group = offset + j * strideBytes;
      touchPages(group + QUADS * strideBytes, run * strideBytes);
      for (int r = 0; r < rows; r++) {
        int sum = multiply(r, group, run * strideBytes, strideBytes);
        for (int i = 0; i < GROUP; i++) {
          m[c + r * cStride + i % STREAMS * run + j + i / STREAMS] = m[sum + i];
        }
      }
    }
    if (run * STREAMS < n) {
      // the last rows, some of them once more
      int last = n - GROUP;
      long group = offset + last * strideBytes;
      for (int r = 0; r < rows; r++) {
        int sum = multiply(r, group, strideBytes, STREAMS * strideBytes);
        System.arraycopy(m, sum, m, c + r * cStride + last, GROUP);
      }
    }
  }

  private void setRows(Codes from, int rows) {
    int k = blocks * Int8.BLOCK;
    if (x.length < rows * k) {
      x = new short[MAX_ROWS * k];
    }
    for (int i = 0; i < rows * k; i += Int8.BLOCK) {
      ShortVector pairs =
          ByteVector.fromArray(ByteVector.SPECIES_256, from.codes(), i).reinterpretAsShorts();
      pairs.lanewise(VectorOperators.LSHL, 8).lanewise(VectorOperators.ASHR, 8).intoArray(x, i);
      pairs.lanewise(VectorOperators.ASHR, 8).intoArray(x, i + Int8.BLOCK / 2);
    }
    System.arraycopy(from.scales(), 0, m, scratch, rows * blocks);
  }

  /**
   * Reads a number of each page that the next group's rows begin, all of them at once: one wait
   * instead of one for each. From there on the processor asks for what follows by itself.
   */
  private void touchPages(long from, long apart) {
    long address = memory.address();
    long last = memory.byteSize() - Short.BYTES;
    long a = pageAt(address + from) - address;
    long b = pageAt(address + from + apart) - address;
    long c = pageAt(address + from + 2 * apart) - address;
    long d = pageAt(address + from + 3 * apart) - address;
    int pages = (int) (QUADS * strideBytes / PAGE) + 1;
    int sum = 0;
    for (int i = 0; i < pages; i++) {
      long at = i * PAGE;
      sum += memory.get(CodeRows.HALF, Math.min(a + at, last));
      sum += memory.get(CodeRows.HALF, Math.min(b + at, last));
      sum += memory.get(CodeRows.HALF, Math.min(c + at, last));
      sum += memory.get(CodeRows.HALF, Math.min(d + at, last));
    }
    touched += sum;
  }

  private static long pageAt(long address) {
    return address + PAGE - 1 & -PAGE;
  }

  /**
   * The products of a group and a row of activations: index of the slab.
   *
   * @param apart bytes between rows of different streams
   * @param next bytes between rows of a stream
   */
  private int multiply(int row, long from, long apart, long next) {
    at = row * blocks * Int8.BLOCK;
    for (int q = 0; q < QUADS; q++) {
      CodeTiles.quad4(this, from + q * next, apart, Slab.START + q * (L / 2), q * STREAMS);
    }
    int widened = scratch + Slab.roundUp(MAX_ROWS * blocks);
    for (int i = 0; i < blocks * L; i += L) {
      IntVector bits =
          (IntVector)
              ShortVector.fromArray(Lanes.S, halves, i)
                  .convertShape(VectorOperators.ZERO_EXTEND_S2I, I, 0);
      Lanes.widenF16(bits).intoArray(m, widened + i);
    }
    int to = widened + blocks * L;
    CodeTiles.join2(m, sums, blocks, scratch + row * blocks, widened, Slab.START, to);
    return to;
  }
}

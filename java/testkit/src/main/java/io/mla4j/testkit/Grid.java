package io.mla4j.testkit;

import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * Numbers {@code [a, b, c]} in guarded memory with random gaps between rows, filled with poison;
 * the block ends with the last number. Two-dimensional data have b = 1.
 */
final class Grid {
  final MemorySegment segment;
  final long aStride;
  final long bStride;
  private final int a;
  private final int b;
  private final int c;
  private final StorageFormat type;
  private final boolean[] asked;
  private byte[] before;

  private Grid(
      GuardedMemory memory, StorageFormat type, int a, int b, int c, long aStride, long bStride) {
    this.type = type;
    this.a = a;
    this.b = b;
    this.c = c;
    this.aStride = aStride;
    this.bStride = bStride;
    boolean empty = a == 0 || b == 0 || c == 0;
    long elements = empty ? 0 : (a - 1) * aStride + (b - 1) * bStride + c;
    this.segment = memory.allocate(type.bytes(elements), type.blockBytes());
    this.asked = new boolean[a * b * c];
  }

  /**
   * Rows of c one after the other: first by a, then by b, or the other way round; with gaps or
   * without.
   */
  static Grid any(
      GuardedMemory memory, CaseRandom random, StorageFormat type, int a, int b, int c) {
    int gap = gap(random);
    int outerGap = gap(random);
    if (b > 1 && random.oneIn(4)) {
      long aStride = c + gap;
      return new Grid(memory, type, a, b, c, aStride, Math.max(1, a) * aStride + outerGap);
    }
    return ordered(memory, type, a, b, c, c + gap, outerGap);
  }

  /**
   * By a, then by b, where b rows of one a are a matrix with one stride and the a may be further
   * apart.
   */
  static Grid headRows(
      GuardedMemory memory, CaseRandom random, StorageFormat type, int a, int b, int c) {
    return ordered(memory, type, a, b, c, c + gap(random), gap(random));
  }

  /** By a, then by b, {@code gap} numbers between rows and as many more between blocks. */
  static Grid gapped(GuardedMemory memory, StorageFormat type, int a, int b, int c, int gap) {
    return ordered(memory, type, a, b, c, c + gap, gap);
  }

  /** By a, then by b, without gaps. */
  static Grid dense(GuardedMemory memory, StorageFormat type, int a, int b, int c) {
    return ordered(memory, type, a, b, c, c, 0);
  }

  private static Grid ordered(
      GuardedMemory memory, StorageFormat type, int a, int b, int c, long bStride, long outerGap) {
    return new Grid(memory, type, a, b, c, b * bStride + outerGap, bStride);
  }

  private static int gap(CaseRandom random) {
    return random.oneIn(2) ? 0 : random.between(1, 19);
  }

  /** Dense values in; the type must hold them exactly. */
  Grid fill(float[] dense) {
    for (int i = 0, at = 0; i < a; i++) {
      for (int j = 0; j < b; j++) {
        long to = i * aStride + j * bStride;
        if (type == StorageFormat.F32) {
          MemorySegment.copy(dense, at, segment, ValueLayout.JAVA_FLOAT_UNALIGNED, 4 * to, c);
          at += c;
        } else {
          for (int k = 0; k < c; k++) {
            Rounding.write(type, segment, to + k, dense[at++]);
          }
        }
      }
    }
    before = segment.toArray(ValueLayout.JAVA_BYTE);
    return this;
  }

  /** Dense integers in. */
  Grid fill(int[] dense) {
    for (int i = 0, at = 0; i < a; i++) {
      for (int j = 0; j < b; j++) {
        for (int k = 0; k < c; k++) {
          segment.set(
              ValueLayout.JAVA_INT_UNALIGNED, 4 * (i * aStride + j * bStride + k), dense[at++]);
        }
      }
    }
    before = segment.toArray(ValueLayout.JAVA_BYTE);
    return this;
  }

  /** The numbers as (a, c), where b is 1. */
  Tensor matrix() {
    return Tensor.strided(segment, type, new long[] {a, c}, new long[] {aStride, 1});
  }

  /** The numbers as (a, b, c). */
  Tensor cube() {
    return Tensor.strided(segment, type, new long[] {a, b, c}, new long[] {aStride, bStride, 1});
  }

  /** The numbers as (c), where a and b are 1. */
  Tensor vector() {
    return Tensor.of(segment, type, c);
  }

  /** Nobody may have written. */
  void requireUnchanged(String name) {
    if (!Arrays.equals(before, segment.toArray(ValueLayout.JAVA_BYTE))) {
      throw new AssertionError("the input " + name + " was changed");
    }
  }

  /** The kernel is asked for {@code [aBegin, aEnd) x [bBegin, bEnd) x [cBegin, cEnd)}. */
  void ask(int aBegin, int aEnd, int bBegin, int bEnd, int cBegin, int cEnd) {
    for (int i = aBegin; i < aEnd; i++) {
      for (int j = bBegin; j < bEnd; j++) {
        int row = (i * b + j) * c;
        Arrays.fill(asked, row + cBegin, row + cEnd, true);
      }
    }
  }

  /** The kernel is asked for whole rows. */
  void ask(int aBegin, int aEnd, int bBegin, int bEnd) {
    ask(aBegin, aEnd, bBegin, bEnd, 0, c);
  }

  /** The results; what was not asked for must be as it was before. */
  Output read(String name) {
    float[] dense = new float[a * b * c];
    int[] raw = segment.toArray(ValueLayout.JAVA_INT_UNALIGNED);
    boolean[] written = new boolean[raw.length];
    for (int i = 0, at = 0; i < a; i++) {
      for (int j = 0; j < b; j++) {
        for (int k = 0; k < c; k++, at++) {
          int from = (int) (i * aStride + j * bStride + k);
          dense[at] = type == StorageFormat.I32 ? raw[from] : Float.intBitsToFloat(raw[from]);
          written[from] = asked[at];
        }
      }
    }
    for (int i = 0; i < raw.length; i++) {
      int old =
          before == null
              ? GuardedMemory.POISON
              : MemorySegment.ofArray(before).get(ValueLayout.JAVA_INT_UNALIGNED, 4L * i);
      if (!written[i] && raw[i] != old) {
        throw new AssertionError(
            name + " was written at element " + i + ", outside of the rows that were asked for");
      }
    }
    return new Output(name, dense, asked.clone());
  }
}

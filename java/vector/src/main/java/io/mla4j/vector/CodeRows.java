package io.mla4j.vector;

import static java.nio.ByteOrder.LITTLE_ENDIAN;

import io.mla4j.ops.Codes;
import io.mla4j.ops.Coding;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Weight;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** Reads rows of a quantised weight as integers, as {@link Weight#codes} does. */
final class CodeRows {
  static final ValueLayout.OfShort HALF = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(LITTLE_ENDIAN);

  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(LITTLE_ENDIAN);

  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(LITTLE_ENDIAN);

  private static final VectorSpecies<Byte> B = ByteVector.SPECIES_128;

  private static final ThreadLocal<Codes> OF_THREAD = ThreadLocal.withInitial(Codes::new);

  private CodeRows() {}

  /** {@link Weight#widen} of a weight without scales of its own. */
  static void widen(
      StorageFormat format, MemorySegment memory, long from, float[] to, int at, int n) {
    Codes codes = OF_THREAD.get();
    read(format, memory, from, codes, 0, n);
    Coding coding = format.coding();
    byte[] q = codes.codes();
    int run = coding.run();
    for (int i = 0; i < n; i += run) {
      float scale = codes.scales()[i / run];
      int end = Math.min(n, i + run);
      for (int j = i; j < end; j++) {
        to[at + j] = scale * q[j];
      }
      if (coding.hasMinima()) {
        float minimum = codes.minima()[i / run];
        for (int j = i; j < end; j++) {
          to[at + j] += minimum;
        }
      }
    }
  }

  /** Whether {@link #read} is faster than the format itself. */
  static boolean reads(StorageFormat format) {
    return format == StorageFormat.Q8_0
        || format == StorageFormat.Q4_0
        || format == StorageFormat.Q4_K
        || format == StorageFormat.Q6_K;
  }

  /** {@link Weight#codes} for a column where a block begins. */
  static void read(Weight weight, long row, int column, Codes to, int at, int n) {
    StorageFormat format = weight.format();
    if (weight.isScaled() || !reads(format)) {
      weight.codes(row, column, to, at, n);
    } else {
      long from = format.bytes(row * weight.tensor().stride(0) + column);
      read(format, weight.tensor().segment(), from, to, at, n);
    }
  }

  private static void read(
      StorageFormat format, MemorySegment memory, long from, Codes to, int at, int n) {
    int blocks = Math.ceilDiv(n, format.blockElements());
    to.reserve(at + blocks * format.blockElements());
    if (format == StorageFormat.Q8_0) {
      readQ80(memory, from, to, at, blocks);
    } else if (format == StorageFormat.Q4_0) {
      readQ40(memory, from, to, at, blocks);
    } else if (format == StorageFormat.Q4_K) {
      readQ4K(memory, from, to, at, blocks);
    } else {
      readQ6K(memory, from, to, at, blocks);
    }
  }

  private static void readQ80(MemorySegment memory, long from, Codes to, int at, int blocks) {
    byte[] codes = to.codes();
    float[] scales = to.scales();
    for (int b = 0; b < blocks; b++) {
      long block = from + 34L * b;
      int i = at + 32 * b;
      scales[i / 32] = Float.float16ToFloat(memory.get(HALF, block));
      load(memory, block + 2).intoArray(codes, i);
      load(memory, block + 18).intoArray(codes, i + 16);
    }
  }

  private static void readQ40(MemorySegment memory, long from, Codes to, int at, int blocks) {
    byte[] codes = to.codes();
    float[] scales = to.scales();
    for (int b = 0; b < blocks; b++) {
      long block = from + 18L * b;
      int i = at + 32 * b;
      scales[i / 32] = Float.float16ToFloat(memory.get(HALF, block));
      ByteVector q = load(memory, block + 2);
      q.and((byte) 15).sub((byte) 8).intoArray(codes, i);
      shiftRight(q, 4).and((byte) 15).sub((byte) 8).intoArray(codes, i + 16);
    }
  }

  private static void readQ4K(MemorySegment memory, long from, Codes to, int at, int blocks) {
    for (int b = 0; b < blocks; b++) {
      long block = from + 144L * b;
      int i = at + 256 * b;
      readGroupScales(memory, block, to, i / 32);
      for (int pair = 0; pair < 4; pair++) {
        for (int half = 0; half < 32; half += 16) {
          ByteVector q = load(memory, block + 16 + 32 * pair + half);
          q.and((byte) 15).intoArray(to.codes(), i + 64 * pair + half);
          shiftRight(q, 4).and((byte) 15).intoArray(to.codes(), i + 64 * pair + 32 + half);
        }
      }
    }
  }

  /** Of Q4_K and Q5_K: d and dmin, then six bits each for eight groups in twelve bytes. */
  private static void readGroupScales(MemorySegment memory, long block, Codes to, int at) {
    float d = Float.float16ToFloat(memory.get(HALF, block));
    float dmin = Float.float16ToFloat(memory.get(HALF, block + 2));
    long first = memory.get(LONG, block + 4);
    int last = memory.get(INT, block + 12);
    for (int g = 0; g < 4; g++) {
      int scale = (int) (first >>> 8 * g) & 0xff;
      int min = (int) (first >>> 8 * g + 32) & 0xff;
      int low = last >>> 8 * g;
      to.scales()[at + g] = d * (scale & 63);
      to.minima()[at + g] = -(dmin * (min & 63));
      to.scales()[at + g + 4] = d * (low & 15 | scale >> 6 << 4);
      to.minima()[at + g + 4] = -(dmin * (low >> 4 & 15 | min >> 6 << 4));
    }
  }

  private static void readQ6K(MemorySegment memory, long from, Codes to, int at, int blocks) {
    for (int b = 0; b < blocks; b++) {
      long block = from + 210L * b;
      int i = at + 256 * b;
      float d = Float.float16ToFloat(memory.get(HALF, block + 208));
      for (int group = 0; group < 16; group++) {
        to.scales()[i / 16 + group] = d * memory.get(ValueLayout.JAVA_BYTE, block + 192 + group);
      }
      for (int j = 0; j < 64; j += 16) {
        // 64 bytes of nibbles and 32 of high bits for 128 elements
        int half = j / 32;
        int column = j % 32;
        ByteVector a = load(memory, block + 64 * half + column);
        ByteVector c = load(memory, block + 64 * half + 32 + column);
        ByteVector high = load(memory, block + 128 + 32 * half + column);
        int to0 = i + 128 * half + column;
        join(a, shiftLeft(high, 4)).intoArray(to.codes(), to0);
        join(c, shiftLeft(high, 2)).intoArray(to.codes(), to0 + 32);
        join(shiftRight(a, 4), high).intoArray(to.codes(), to0 + 64);
        join(shiftRight(c, 4), shiftRight(high, 2)).intoArray(to.codes(), to0 + 96);
      }
    }
  }

  /** Four low bits and, from bit 4 on, two high ones, less 32. */
  private static ByteVector join(ByteVector low, ByteVector high) {
    return low.and((byte) 15).or(high.and((byte) 0x30)).sub((byte) 32);
  }

  private static ByteVector load(MemorySegment memory, long at) {
    return ByteVector.fromMemorySegment(B, memory, at, LITTLE_ENDIAN);
  }

  /** Shifts of pairs of bytes: what comes from the neighbour must be masked. */
  private static ByteVector shiftRight(ByteVector v, int bits) {
    return v.reinterpretAsShorts().lanewise(VectorOperators.LSHR, bits).reinterpretAsBytes();
  }

  private static ByteVector shiftLeft(ByteVector v, int bits) {
    return v.reinterpretAsShorts().lanewise(VectorOperators.LSHL, bits).reinterpretAsBytes();
  }
}

package io.mla4j.vector;

import static java.nio.ByteOrder.LITTLE_ENDIAN;

import io.mla4j.ops.Codes;
import io.mla4j.ops.Coding;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Weight;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/** Reads rows of a quantised weight as integers, as {@link Weight#codes} does. */
final class CodeRows {
  static final ValueLayout.OfShort HALF = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(LITTLE_ENDIAN);

  /** Vectors of up to 32 bytes: what blocks hold of a kind. */
  static final VectorSpecies<Byte> B =
      Lanes.L >= 8 ? ByteVector.SPECIES_256 : ByteVector.SPECIES_128;

  /** Vectors in 32 bytes. */
  static final int PARTS = 32 / B.length();

  /** From four bytes the first two, and the last two, each for eight lanes, and a bit for each. */
  static final VectorShuffle<Byte> LOW_BITS =
      VectorShuffle.fromOp(ByteVector.SPECIES_128, i -> i / 8);

  static final VectorShuffle<Byte> HIGH_BITS =
      VectorShuffle.fromOp(ByteVector.SPECIES_128, i -> 2 + i / 8);

  static final ByteVector BITS =
      ByteVector.fromArray(
          ByteVector.SPECIES_128,
          new byte[] {1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128},
          0);

  private static final VarHandle SHORTS = of(short[].class);
  private static final VarHandle INTS = of(int[].class);
  private static final VarHandle LONGS = of(long[].class);
  private static final ThreadLocal<Raw> RAW_OF_THREAD = ThreadLocal.withInitial(Raw::new);
  private static final ThreadLocal<Codes> OF_THREAD = ThreadLocal.withInitial(Codes::new);

  private CodeRows() {}

  private static VarHandle of(Class<?> array) {
    return MethodHandles.byteArrayViewVarHandle(array, LITTLE_ENDIAN);
  }

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
        || format == StorageFormat.Q5_0
        || format == StorageFormat.Q4_K
        || format == StorageFormat.Q5_K
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
    int bytes = blocks * (int) format.bytes(format.blockElements());
    byte[] raw = RAW_OF_THREAD.get().of(bytes);
    MemorySegment.copy(memory, ValueLayout.JAVA_BYTE, from, raw, 0, bytes);
    byte[] codes = to.reserve(at + blocks * format.blockElements()).codes();
    if (format == StorageFormat.Q8_0) {
      scale(raw, 34, blocks, to.scales(), at / 32);
      CodeTiles.bytes(raw, codes, at, blocks);
    } else if (format == StorageFormat.Q4_0) {
      scale(raw, 18, blocks, to.scales(), at / 32);
      CodeTiles.nibbles(raw, codes, at, blocks);
    } else if (format == StorageFormat.Q5_0) {
      scale(raw, 22, blocks, to.scales(), at / 32);
      CodeTiles.fifths(raw, codes, at, blocks);
    } else if (format == StorageFormat.Q6_K) {
      scaleGroups(raw, blocks, to.scales(), at / 16);
      CodeTiles.sixths(raw, codes, at, blocks);
    } else if (format == StorageFormat.Q4_K) {
      scaleGroups(raw, 144, blocks, to, at / 32);
      CodeTiles.nibbleGroups(raw, codes, at, blocks);
    } else {
      scaleGroups(raw, 176, blocks, to, at / 32);
      CodeTiles.fifthGroups(raw, codes, at, blocks);
    }
  }

  /** Of formats of 32 elements, whose blocks begin with it. */
  private static void scale(byte[] raw, int bytes, int blocks, float[] scales, int at) {
    for (int b = 0; b < blocks; b++) {
      scales[at + b] = Float.float16ToFloat((short) SHORTS.get(raw, b * bytes));
    }
  }

  /** Of Q4_K and Q5_K: d and dmin, then six bits each for eight groups in twelve bytes. */
  private static void scaleGroups(byte[] raw, int bytes, int blocks, Codes to, int at) {
    float[] scales = to.scales();
    float[] minima = to.minima();
    for (int b = 0; b < blocks; b++) {
      int block = b * bytes;
      float d = Float.float16ToFloat((short) SHORTS.get(raw, block));
      float dmin = -Float.float16ToFloat((short) SHORTS.get(raw, block + 2));
      long first = (long) LONGS.get(raw, block + 4);
      // Nibbles of the last four groups, and their bits 4 and 5 from the first four.
      long last = (int) INTS.get(raw, block + 12) & 0xffffffffL;
      long high = first >>> 2 & 0x3030303030303030L;
      long scale = first & 0x3f3f3f3fL | (last & 0x0f0f0f0fL | high & 0xffffffffL) << 32;
      long min = first >>> 32 & 0x3f3f3f3fL | (last >>> 4 & 0x0f0f0f0fL | high >>> 32) << 32;
      for (int g = 0; g < 8; g++) {
        scales[at + 8 * b + g] = d * (int) (scale >>> 8 * g & 63);
        minima[at + 8 * b + g] = dmin * (int) (min >>> 8 * g & 63);
      }
    }
  }

  /** Of Q6_K: a byte for each of sixteen groups, then d. */
  private static void scaleGroups(byte[] raw, int blocks, float[] scales, int at) {
    for (int b = 0; b < blocks; b++) {
      int block = 210 * b;
      float d = Float.float16ToFloat((short) SHORTS.get(raw, block + 208));
      for (int g = 0; g < 16; g++) {
        scales[at + 16 * b + g] = d * raw[block + 192 + g];
      }
    }
  }

  /** Bytes as they are in memory: arrays are read with fewer checks. */
  private static final class Raw {
    private byte[] bytes = {};

    byte[] of(int count) {
      if (bytes.length < count) {
        bytes = new byte[count];
      }
      return bytes;
    }
  }
}

package io.mla4j.vector;

import io.mla4j.ops.Bf16;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/**
 * The vector length, and what every kernel does with a vector: widening, rounding, exp, sums over
 * lanes.
 *
 * <p>There is no shorthand here for loading and broadcasting: in methods as large as the tiles, C2
 * stops inlining methods that the JDK does not mark, and a vector that crosses a call is boxed (14
 * times slower).
 */
final class Lanes {
  /**
   * The system property that asks for shorter vectors than the processor prefers: 128, 256 or 512.
   */
  static final String BITS_PROPERTY = "mla4j.vector.bits";

  /** Float vectors; a constant, or C2 would box them. */
  static final VectorSpecies<Float> F = species();

  /** Floats in a vector: 4, 8 or 16. */
  static final int L = F.length();

  /** Whether vectors are 512 bits long: then there are 32 registers, and tiles are larger. */
  static final boolean WIDE = L == 16;

  /** As many 32-bit integers, and as many 16-bit ones in a vector of half the length. */
  static final VectorSpecies<Integer> I = F.withLanes(int.class);

  static final VectorSpecies<Short> S =
      VectorSpecies.of(short.class, VectorShape.forBitSize(F.vectorBitSize() / 2));

  /** Vectors of the same length, of twice as many shorts and of four times as many bytes. */
  static final VectorSpecies<Short> SHORTS = F.withLanes(short.class);

  static final VectorSpecies<Byte> BYTES = F.withLanes(byte.class);

  /** As many bytes; null where no vector is that short. */
  private static final VectorSpecies<Byte> B =
      F.length() < 8
          ? null
          : VectorSpecies.of(byte.class, VectorShape.forBitSize(F.vectorBitSize() / 4));

  /** Masks of the lanes whose number has a bit, and shuffles that change this bit of it. */
  static final VectorMask<Float> BIT_8 = lanesWithBit(8);

  static final VectorMask<Float> BIT_4 = lanesWithBit(4);
  static final VectorMask<Float> BIT_2 = lanesWithBit(2);
  static final VectorMask<Float> BIT_1 = lanesWithBit(1);
  static final VectorShuffle<Float> SWAP_8 = swap(8);
  static final VectorShuffle<Float> SWAP_4 = swap(4);
  static final VectorShuffle<Float> SWAP_2 = swap(2);
  static final VectorShuffle<Float> SWAP_1 = swap(1);

  /** Each lane of the lower half twice, each of the upper half twice. */
  private static final VectorShuffle<Float> TWICE_LOW = VectorShuffle.fromOp(F, i -> i / 2);

  private static final VectorShuffle<Float> TWICE_HIGH =
      VectorShuffle.fromOp(F, i -> (i + F.length()) / 2);

  private static final float MAX_EXPONENT = 88f;
  private static final float MIN_EXPONENT = -87f;

  /** 1.5 * 2^23: adding it leaves the nearest integer in the low bits. */
  private static final float ROUND = 12582912f;

  /** Bytes that {@link #touch} takes at a time: four cache lines. */
  private static final int TOUCH_STEP = 256;

  private Lanes() {}

  private static VectorSpecies<Float> species() {
    int preferred = FloatVector.SPECIES_PREFERRED.vectorBitSize();
    int bits = Math.min(Math.min(preferred, 512), Integer.getInteger(BITS_PROPERTY, preferred));
    return bits >= 512
        ? FloatVector.SPECIES_512
        : bits >= 256 ? FloatVector.SPECIES_256 : FloatVector.SPECIES_128;
  }

  private static VectorMask<Float> lanesWithBit(int bit) {
    boolean[] lanes = new boolean[F.length()];
    for (int i = 0; i < lanes.length; i++) {
      lanes[i] = (i & bit) != 0;
    }
    return VectorMask.fromArray(F, lanes, 0);
  }

  private static VectorShuffle<Float> swap(int bit) {
    return VectorShuffle.fromOp(F, i -> (i ^ bit) % F.length());
  }

  /** n rounded up to whole vectors. */
  static int roundUp(int n) {
    return (n + L - 1) / L * L;
  }

  /** The nearest bfloat16 values, ties to even; NaN stays NaN. */
  static FloatVector roundBf16(FloatVector x) {
    IntVector bits = x.reinterpretAsInts();
    IntVector odd = bits.lanewise(VectorOperators.LSHR, 16).and(1);
    FloatVector rounded = bits.add(0x7fff).add(odd).and(0xffff0000).reinterpretAsFloats();
    return rounded.blend(x, x.test(VectorOperators.IS_NAN));
  }

  /** {@code a[at .. at + n) *= factor}. */
  static void multiply(float[] a, int at, int n, float factor) {
    int i = 0;
    for (; i + L <= n; i += L) {
      FloatVector.fromArray(F, a, at + i).mul(factor).intoArray(a, at + i);
    }
    for (; i < n; i++) {
      a[at + i] *= factor;
    }
  }

  /** Rounds {@code a[at .. at + n)} to bfloat16 values in place. */
  static void roundBf16(float[] a, int at, int n) {
    int i = 0;
    for (; i + L <= n; i += L) {
      roundBf16(FloatVector.fromArray(F, a, at + i)).intoArray(a, at + i);
    }
    for (; i < n; i++) {
      a[at + i] = Bf16.round(a[at + i]);
    }
  }

  /**
   * e^x for x in -87 .. 88, where arguments outside count as the nearest of these: 2^n times a
   * polynomial of the rest in -ln 2 / 2 .. ln 2 / 2, within two units in the last place.
   */
  static FloatVector exp(FloatVector x) {
    FloatVector y = x.blend(MIN_EXPONENT, x.lt(MIN_EXPONENT));
    y = y.blend(MAX_EXPONENT, y.compare(VectorOperators.GT, MAX_EXPONENT));
    FloatVector rounded =
        y.fma(FloatVector.broadcast(F, 1.44269504f), FloatVector.broadcast(F, ROUND));
    FloatVector n = rounded.sub(ROUND);
    FloatVector r = n.fma(FloatVector.broadcast(F, -0.693359375f), y);
    r = n.fma(FloatVector.broadcast(F, 2.12194440e-4f), r);
    FloatVector p = FloatVector.broadcast(F, 1.9875691e-4f);
    p = p.fma(r, FloatVector.broadcast(F, 1.3981999e-3f));
    p = p.fma(r, FloatVector.broadcast(F, 8.3334519e-3f));
    p = p.fma(r, FloatVector.broadcast(F, 4.1665796e-2f));
    p = p.fma(r, FloatVector.broadcast(F, 0.16666665f));
    p = p.fma(r, FloatVector.broadcast(F, 0.5f));
    p = p.fma(r.mul(r), r).add(1f);
    return rounded
        .reinterpretAsInts()
        .add(127)
        .lanewise(VectorOperators.LSHL, 23)
        .reinterpretAsFloats()
        .mul(p);
  }

  /** Widens n elements of {@code type} that start {@code offset} bytes into segment, exactly. */
  static void widen(
      StorageFormat type, MemorySegment segment, long offset, float[] to, int at, int n) {
    if (type == StorageFormat.F32) {
      MemorySegment.copy(segment, ValueLayout.JAVA_FLOAT_UNALIGNED, offset, to, at, n);
      return;
    }
    if (CodeRows.reads(type)) {
      CodeRows.widen(type, segment, offset, to, at, n);
      return;
    }
    int whole = n / L * L;
    if (type == StorageFormat.BF16) {
      widenBf16(segment, offset, to, at, whole);
    } else if (type == StorageFormat.F16) {
      widenF16(segment, offset, to, at, whole);
    } else if (type == StorageFormat.I8 && B != null) {
      widenI8(segment, offset, to, at, whole);
    } else if (type == StorageFormat.F8_E4M3 && B != null) {
      widenF8(segment, offset, to, at, whole);
    } else if (type == StorageFormat.NL4) {
      whole = n / StepRows.RUN * StepRows.RUN;
      StepRows.widen(segment, offset, to, at, whole);
    } else {
      whole = 0;
    }
    type.widen(segment, offset + type.bytes(whole), to, at + whole, n - whole);
  }

  /** Widens elements (row, column .. column + n) of a weight; a block begins at the column. */
  static void widen(Weight weight, long row, long column, float[] to, int at, int n) {
    Tensor tensor = weight.tensor();
    long offset = tensor.format().bytes(row * tensor.stride(0) + column);
    widen(tensor.format(), tensor.segment(), offset, to, at, n);
    if (weight.isScaled()) {
      weight.scales().multiply(row, column, to, at, n);
    }
  }

  private static void widenBf16(MemorySegment segment, long offset, float[] to, int at, int n) {
    for (int i = 0; i < n; i += L) {
      loadBf16(segment, offset + 2L * i).intoArray(to, at + i);
    }
  }

  private static void widenF16(MemorySegment segment, long offset, float[] to, int at, int n) {
    for (int i = 0; i < n; i += L) {
      widenF16(loadShorts(segment, offset + 2L * i)).intoArray(to, at + i);
    }
  }

  /**
   * Binary16 elements of 16 bits each, widened: the magnitude as if it were a binary32 with a small
   * exponent, times 2^112, which is exact; an exponent of all ones stays one.
   */
  static FloatVector widenF16(IntVector elements) {
    IntVector bits =
        elements
            .lanewise(VectorOperators.LSHL, 16)
            .lanewise(VectorOperators.ASHR, 3)
            .and(0x8fffe000);
    FloatVector finite = bits.reinterpretAsFloats().mul(0x1p112f);
    FloatVector special = bits.or(0x7f800000).reinterpretAsFloats();
    VectorMask<Float> isSpecial =
        finite.lanewise(VectorOperators.ABS).compare(VectorOperators.GE, 0x1p16f);
    return finite.blend(special, isSpecial);
  }

  private static void widenI8(MemorySegment segment, long offset, float[] to, int at, int n) {
    for (int i = 0; i < n; i += L) {
      FloatVector numbers =
          (FloatVector) loadBytes(segment, offset + i).convert(VectorOperators.I2F, 0);
      numbers.intoArray(to, at + i);
    }
  }

  /** Exponent and fraction in float32's places are the number times 2^-120. */
  private static void widenF8(MemorySegment segment, long offset, float[] to, int at, int n) {
    for (int i = 0; i < n; i += L) {
      IntVector bits = loadBytes(segment, offset + i);
      IntVector magnitude = bits.and(0x7f);
      IntVector placed = magnitude.lanewise(VectorOperators.LSHL, 20).or(bits.and(0x80000000));
      FloatVector value = placed.reinterpretAsFloats().mul(0x1p120f);
      value
          .blend(Float.NaN, magnitude.compare(VectorOperators.EQ, 0x7f).cast(F))
          .intoArray(to, at + i);
    }
  }

  /** The lane count's worth of signed bytes. */
  private static IntVector loadBytes(MemorySegment segment, long offset) {
    return (IntVector)
        ByteVector.fromMemorySegment(B, segment, offset, ByteOrder.LITTLE_ENDIAN)
            .convertShape(VectorOperators.B2I, I, 0);
  }

  private static IntVector loadShorts(MemorySegment segment, long offset) {
    return (IntVector)
        ShortVector.fromMemorySegment(S, segment, offset, ByteOrder.LITTLE_ENDIAN)
            .convertShape(VectorOperators.ZERO_EXTEND_S2I, I, 0);
  }

  /** The lane count's worth of bfloat16 elements. */
  static FloatVector loadBf16(MemorySegment segment, long offset) {
    return loadShorts(segment, offset).lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
  }

  /**
   * Brings bytes of a segment from memory into the cache. Java cannot prefetch, and loops that
   * compute on elements which are still on their way do not run far enough ahead to ask for the
   * next ones: reading some tens of KiB first and computing then is a third faster than both at
   * once. The result keeps C2 from dropping the loads; the caller must store it.
   *
   * @param offset of the first byte; {@code bytes} after it are readable
   */
  static float touch(MemorySegment segment, long offset, long bytes) {
    FloatVector a = FloatVector.zero(F);
    FloatVector b = a;
    FloatVector c = a;
    FloatVector d = a;
    long whole = bytes / TOUCH_STEP * TOUCH_STEP;
    for (long i = 0; i < whole; i += TOUCH_STEP) {
      long at = offset + i;
      a = a.add(FloatVector.fromMemorySegment(F, segment, at, ByteOrder.LITTLE_ENDIAN));
      b = b.add(FloatVector.fromMemorySegment(F, segment, at + 64, ByteOrder.LITTLE_ENDIAN));
      c = c.add(FloatVector.fromMemorySegment(F, segment, at + 128, ByteOrder.LITTLE_ENDIAN));
      d = d.add(FloatVector.fromMemorySegment(F, segment, at + 192, ByteOrder.LITTLE_ENDIAN));
    }
    return a.add(b).add(c.add(d)).lane(0);
  }

  /**
   * m[to ..] = m[from ..], in each two vectors the elements of even index first: the order in which
   * pairs of BF16 elements are widened.
   *
   * @param n a multiple of two vectors
   */
  static void split(float[] m, int from, int to, int n) {
    for (int i = 0; i < n; i += 2 * L) {
      for (int l = 0; l < L; l++) {
        m[to + i + l] = m[from + i + 2 * l];
        m[to + i + L + l] = m[from + i + 2 * l + 1];
      }
    }
  }

  /** Undoes {@link #split} in place. */
  static void join(float[] m, int at, int n) {
    for (int i = at; i < at + n; i += 2 * L) {
      FloatVector even = FloatVector.fromArray(F, m, i);
      FloatVector odd = FloatVector.fromArray(F, m, i + L);
      even.rearrange(TWICE_LOW).blend(odd.rearrange(TWICE_LOW), BIT_1).intoArray(m, i);
      even.rearrange(TWICE_HIGH).blend(odd.rearrange(TWICE_HIGH), BIT_1).intoArray(m, i + L);
    }
  }

  /**
   * Sums over lanes, always as the same tree (neighbours, pairs of neighbours, ..): {@code v[at +
   * j]} = sum of the lanes of the vector at {@code v[at + j * L]}, for j below {@code vectors}, a
   * multiple of L. Overwrites the vectors.
   */
  static void sumLanes(float[] v, int at, int vectors) {
    halve(v, at, vectors / 2, SWAP_1, BIT_1);
    halve(v, at, vectors / 4, SWAP_2, BIT_2);
    if (L >= 8) {
      halve(v, at, vectors / 8, SWAP_4, BIT_4);
    }
    if (L == 16) {
      halve(v, at, vectors / 16, SWAP_8, BIT_8);
    }
  }

  /**
   * Vector i = partial sums of vector 2 i in the lanes without the bit, of vector 2 i + 1 in those
   * with it.
   */
  private static void halve(
      float[] v, int at, int pairs, VectorShuffle<Float> swap, VectorMask<Float> bit) {
    for (int i = 0; i < pairs; i++) {
      FloatVector a = FloatVector.fromArray(F, v, at + 2 * i * L);
      FloatVector b = FloatVector.fromArray(F, v, at + 2 * i * L + L);
      a.blend(b, bit).add(b.blend(a, bit).rearrange(swap)).intoArray(v, at + i * L);
    }
  }

  /** The sum of the lanes of one vector, as the same tree. */
  static float sumLanes(FloatVector v) {
    FloatVector sum = v.add(v.rearrange(SWAP_1));
    sum = sum.add(sum.rearrange(SWAP_2));
    if (L >= 8) {
      sum = sum.add(sum.rearrange(SWAP_4));
    }
    if (L == 16) {
      sum = sum.add(sum.rearrange(SWAP_8));
    }
    return sum.lane(0);
  }
}

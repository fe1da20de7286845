package io.mla4j.bench;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * What Java can do at best on this processor: the native probes, written with the Vector API.
 * Loaded only where its module is there.
 */
final class JavaProbes {
  private static final VectorSpecies<Float> F = FloatVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Integer> I = IntVector.SPECIES_PREFERRED;
  private static final int SUMS = 12;

  /** Keeps the compiler from dropping what nobody reads. */
  static volatile float sink;

  private JavaProbes() {}

  static String isa() {
    return "vector-" + F.vectorBitSize();
  }

  /** Multiply-adds of registers, {@code count} times; returns the operations. */
  static long fma(long count) {
    FloatVector x = FloatVector.broadcast(F, 0.999f);
    FloatVector y = FloatVector.broadcast(F, 1e-3f);
    FloatVector a0 = FloatVector.zero(F);
    FloatVector a1 = a0;
    FloatVector a2 = a0;
    FloatVector a3 = a0;
    FloatVector a4 = a0;
    FloatVector a5 = a0;
    FloatVector a6 = a0;
    FloatVector a7 = a0;
    FloatVector a8 = a0;
    FloatVector a9 = a0;
    FloatVector a10 = a0;
    FloatVector a11 = a0;
    for (long i = 0; i < count; i++) {
      a0 = x.fma(y, a0);
      a1 = x.fma(y, a1);
      a2 = x.fma(y, a2);
      a3 = x.fma(y, a3);
      a4 = x.fma(y, a4);
      a5 = x.fma(y, a5);
      a6 = x.fma(y, a6);
      a7 = x.fma(y, a7);
      a8 = x.fma(y, a8);
      a9 = x.fma(y, a9);
      a10 = x.fma(y, a10);
      a11 = x.fma(y, a11);
    }
    FloatVector sum = a0.add(a1).add(a2).add(a3).add(a4).add(a5).add(a6).add(a7);
    sink = sum.add(a8).add(a9).add(a10).add(a11).reduceLanes(VectorOperators.ADD);
    return count * SUMS * F.length() * 2;
  }

  /** Reads memory in order, {@code count} times; returns the bytes. */
  static long read(long count, MemorySegment memory) {
    long step = 4L * F.length();
    long bytes = memory.byteSize() / (4 * step) * (4 * step);
    for (long k = 0; k < count; k++) {
      sink = readOnce(memory, bytes, step);
    }
    return count * bytes;
  }

  private static float readOnce(MemorySegment memory, long bytes, long step) {
    ByteOrder order = ByteOrder.nativeOrder();
    IntVector a0 = IntVector.zero(I);
    IntVector a1 = a0;
    IntVector a2 = a0;
    IntVector a3 = a0;
    for (long at = 0; at < bytes; at += 4 * step) {
      a0 = a0.add(IntVector.fromMemorySegment(I, memory, at, order));
      a1 = a1.add(IntVector.fromMemorySegment(I, memory, at + step, order));
      a2 = a2.add(IntVector.fromMemorySegment(I, memory, at + 2 * step, order));
      a3 = a3.add(IntVector.fromMemorySegment(I, memory, at + 3 * step, order));
    }
    return a0.add(a1).add(a2).add(a3).reduceLanes(VectorOperators.ADD);
  }
}

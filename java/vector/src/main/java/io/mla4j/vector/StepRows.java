package io.mla4j.vector;

import static io.mla4j.vector.Lanes.I;
import static io.mla4j.vector.Lanes.L;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import io.mla4j.ops.StorageFormat;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;

/** Widens elements that are nibbles through a table of sixteen steps, two in a byte: NL4. */
final class StepRows {
  /** Elements that are widened together. */
  static final int RUN = 16;

  private static final ByteVector STEPS = steps();

  private StepRows() {}

  /** What the format itself makes of all nibbles. */
  private static ByteVector steps() {
    byte[] nibbles = new byte[RUN / 2];
    for (int i = 0; i < nibbles.length; i++) {
      nibbles[i] = (byte) (2 * i | 2 * i + 1 << 4);
    }
    float[] steps = new float[RUN];
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment segment = arena.allocateFrom(ValueLayout.JAVA_BYTE, nibbles);
      StorageFormat.NL4.widen(segment, 0, steps, 0, RUN);
    }
    byte[] table = new byte[RUN];
    for (int i = 0; i < RUN; i++) {
      table[i] = (byte) steps[i];
    }
    return ByteVector.fromArray(ByteVector.SPECIES_128, table, 0);
  }

  /** {@link StorageFormat#widen} of n elements, whole runs. */
  static void widen(MemorySegment segment, long offset, float[] to, int at, int n) {
    for (int i = 0; i < n; i += RUN) {
      ShortVector bytes =
          (ShortVector)
              ByteVector.fromMemorySegment(
                      ByteVector.SPECIES_64, segment, offset + i / 2, LITTLE_ENDIAN)
                  .convertShape(VectorOperators.ZERO_EXTEND_B2S, ShortVector.SPECIES_128, 0);
      ByteVector which =
          bytes
              .or(bytes.lanewise(VectorOperators.LSHL, 4))
              .and((short) 0x0f0f)
              .reinterpretAsBytes();
      ByteVector codes = which.selectFrom(STEPS);
      store(codes, 0, to, at + i);
      // part by part, since a part has to be a constant
      if (L < 16) {
        store(codes, 1, to, at + i + L);
      }
      if (L < 8) {
        store(codes, 2, to, at + i + 2 * L);
        store(codes, 3, to, at + i + 3 * L);
      }
    }
  }

  private static void store(ByteVector codes, int part, float[] to, int at) {
    IntVector numbers = (IntVector) codes.convertShape(VectorOperators.B2I, I, part);
    ((FloatVector) numbers.convert(VectorOperators.I2F, 0)).intoArray(to, at);
  }
}

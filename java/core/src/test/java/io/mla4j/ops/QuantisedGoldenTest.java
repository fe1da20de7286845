package io.mla4j.ops;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.mla4j.InvalidArgumentException;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Given floats of every kind (one sign, all alike, zeros, ties, large and tiny ones), when a format
 * is written, then its bytes are those of ggml's reference quantiser (scripts/golden_quantised.py).
 */
class QuantisedGoldenTest {
  private static byte[] read(String name) throws IOException {
    try (InputStream in = QuantisedGoldenTest.class.getResourceAsStream("quantised/" + name)) {
      assertNotNull(in, name);
      return in.readAllBytes();
    }
  }

  private static float[] floats() throws IOException {
    ByteBuffer bytes = ByteBuffer.wrap(read("floats.bin")).order(ByteOrder.LITTLE_ENDIAN);
    float[] floats = new float[bytes.remaining() / 4];
    bytes.asFloatBuffer().get(floats);
    return floats;
  }

  @ParameterizedTest
  @ValueSource(strings = {"Q4_0", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q6_K"})
  void hasTheBytesOfTheReference(String name) throws IOException {
    StorageFormat format = StorageFormat.weight(name);
    float[] from = floats();
    byte[] expected = read(name + ".bin");
    byte[] written = new byte[expected.length];
    format.narrow(from, 0, from.length, MemorySegment.ofArray(written), 0);
    for (int i = 0; i < expected.length; i++) {
      int at = i;
      assertEquals(
          expected[i],
          written[i],
          () -> "byte " + at % format.blockBytes() + " of block " + at / format.blockBytes());
    }
  }

  /** Activations round them to even ({@link Int8Test}): other codes of the same numbers. */
  @Test
  void weightsOfQ8_0RoundHalvesAwayFromZero() {
    float[] from = new float[32];
    float[] some = {127, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f};
    System.arraycopy(some, 0, from, 0, some.length);
    byte[] block = new byte[34];
    StorageFormat.Q8_0.narrow(from, 0, 32, MemorySegment.ofArray(block), 0);
    assertArrayEquals(new byte[] {127, 1, 2, 3, -1, -2, -3, 0}, Arrays.copyOfRange(block, 2, 10));
  }

  @Test
  void refusesPartsOfBlocks() {
    MemorySegment to = MemorySegment.ofArray(new byte[100]);
    assertThrows(
        InvalidArgumentException.class,
        () -> StorageFormat.Q8_0.narrow(new float[33], 0, 33, to, 0));
  }

  @Test
  void refusesFormatsThatCannotBeWritten() {
    MemorySegment to = MemorySegment.ofArray(new byte[100]);
    assertThrows(
        InvalidArgumentException.class,
        () -> StorageFormat.MXFP4.narrow(new float[32], 0, 32, to, 0));
  }
}

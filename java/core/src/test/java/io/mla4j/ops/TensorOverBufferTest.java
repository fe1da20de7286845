package io.mla4j.ops;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.InvalidArgumentException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.junit.jupiter.api.Test;

/** Given a ByteBuffer, when a tensor is laid over it, then both are one memory. */
class TensorOverBufferTest {
  private static ByteBuffer direct(int floats) {
    return ByteBuffer.allocateDirect(floats * Float.BYTES).order(ByteOrder.nativeOrder());
  }

  @Test
  void sharesTheMemoryFromThePositionOn() {
    ByteBuffer buffer = direct(5).putFloat(9).putFloat(1).putFloat(2).putFloat(3).putFloat(4);
    Tensor tensor = Tensor.of(buffer.position(4), StorageFormat.F32, 2, 2);
    assertArrayEquals(new float[] {1, 2, 3, 4}, tensor.toArray());
    tensor.copyFrom(5f, 6, 7, 8);
    assertEquals(8, buffer.getFloat(16));
    assertEquals(9, buffer.getFloat(0));
  }

  @Test
  void whatWouldBeReadAsOtherNumbersIsRefused() {
    assertRefused("must be direct", ByteBuffer.allocate(16).order(ByteOrder.nativeOrder()));
    ByteOrder other =
        ByteOrder.nativeOrder() == ByteOrder.BIG_ENDIAN
            ? ByteOrder.LITTLE_ENDIAN
            : ByteOrder.BIG_ENDIAN;
    assertRefused("buffer has the order", direct(4).order(other));
    assertRefused("needs 16 bytes", direct(3));
  }

  private static void assertRefused(String part, ByteBuffer buffer) {
    String message =
        assertThrows(
                InvalidArgumentException.class, () -> Tensor.of(buffer, StorageFormat.F32, 2, 2))
            .getMessage();
    assertTrue(message.contains(part), message);
  }
}

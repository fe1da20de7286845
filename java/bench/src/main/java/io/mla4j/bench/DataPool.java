package io.mla4j.bench;

import io.mla4j.Device;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;

/**
 * The memory that all rows share: caches and weights are pieces of it, so that rows can take turns
 * without each having its own. Filled with normal bf16 numbers of deviation 1; read as float32, the
 * pairs are about the same numbers.
 *
 * <p>Rows that are measured cold go through it from one end to the other, and each goes on where
 * the row before it stopped: what they read was last touched a whole round ago.
 */
final class DataPool implements AutoCloseable {
  /** Numbers until they repeat: a prime, so that rows of a cache differ. */
  private static final int PERIOD = 1_048_573;

  private static final long ALIGNMENT = 1 << 12;

  /** Without the lowest bit no byte is the NaN of an 8-bit float. */
  private static final int EVEN = 0xfffe;

  private final Arena arena = Arena.ofShared();
  private final MemorySegment memory;
  private long cursor;

  /** {@code bytes} of the memory of {@code device}. */
  DataPool(Device device, long bytes) {
    try {
      memory = device.allocate((bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT, arena);
    } catch (RuntimeException | Error e) {
      arena.close();
      throw e;
    }
    fill(device);
  }

  private void fill(Device device) {
    SplittableRandom random = new SplittableRandom(1);
    short[] block = new short[PERIOD];
    for (int i = 0; i < PERIOD; i++) {
      int bits = Float.floatToRawIntBits((float) random.nextGaussian()) >>> 16;
      block[i] = (short) (bits & EVEN);
    }
    long numbers = memory.byteSize() / 2;
    for (long at = 0; at < numbers; at += PERIOD) {
      int n = (int) Math.min(PERIOD, numbers - at);
      device.copy(MemorySegment.ofArray(block), 0, memory, 2 * at, 2L * n);
    }
  }

  long bytes() {
    return memory.byteSize();
  }

  /** A piece; pieces of different rows overlap. */
  MemorySegment slice(long offset, long bytes) {
    return memory.asSlice(offset, bytes);
  }

  /** How many pieces of this size it holds. */
  int pieces(long pieceBytes) {
    return (int) Math.min(1 << 16, memory.byteSize() / pieceBytes);
  }

  /** Which of {@link #pieces} comes next. */
  int nextPiece(long pieceBytes) {
    int pieces = pieces(pieceBytes);
    int piece = (int) (Math.ceilDiv(cursor, pieceBytes) % pieces);
    cursor = (piece + 1) * pieceBytes % memory.byteSize();
    return piece;
  }

  @Override
  public void close() {
    arena.close();
  }
}

package io.mla4j.testkit;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.stream.IntStream;

/**
 * Memory in which an access beyond a block does not go unnoticed. On Linux every block ends at an
 * inaccessible page and lies behind another one, so that a kernel that reads or writes past its end
 * is killed; the bytes between a block and its pages (before the start, and behind the end where
 * the size is no multiple of the alignment) hold canaries, which {@link #verify} compares.
 * Elsewhere there are only canaries. Canaries are NaN as float32 and as bf16, so that reading them
 * shows in a result too.
 *
 * <p>Fresh blocks are filled with the same NaN. Segments have the exact size of their block:
 * kernels in Java are caught by their bounds.
 */
public final class GuardedMemory implements AutoCloseable {
  /** The poison: a quiet NaN as float32, and two bf16 NaN. */
  public static final int POISON = 0x7fc17fc1;

  private static final boolean LINUX = System.getProperty("os.name").equals("Linux");

  /** At least a page on every Linux. */
  private static final long PAGE = 1 << 16;

  private static final long CANARY_BYTES = 1024;

  /**
   * Addresses that closed memories left, by the size of their bodies: they stay mapped for others,
   * since that takes longer than most kernels.
   */
  private static final Map<Long, Queue<Long>> LEFT = new ConcurrentHashMap<>();

  /** Of one size. */
  private static final int MOST_LEFT = 32;

  private static final long LARGEST_LEFT = 8 * PAGE;

  /** So much poison, from which blocks are filled. */
  private static final MemorySegment POISONED =
      MemorySegment.ofArray(IntStream.generate(() -> POISON).limit(1 << 14).toArray());

  private final Arena arena = Arena.ofShared();
  private final List<Block> blocks = new ArrayList<>();

  /** No blocks yet. */
  public GuardedMemory() {}

  /**
   * A poisoned block whose start is a multiple of {@code alignment} and whose end is as near to the
   * guard as that allows.
   */
  public MemorySegment allocate(long bytes, int alignment) {
    long space = roundUp(bytes, alignment);
    Block block = LINUX ? guarded(bytes, space) : plain(bytes, space, alignment);
    fill(block.around, 0, block.around.byteSize());
    blocks.add(block);
    return block.segment;
  }

  private static Block guarded(long bytes, long space) {
    long body = roundUp(Math.max(space, 1), PAGE);
    Queue<Long> ofSize = LEFT.get(body);
    Long left = ofSize == null ? null : ofSize.poll();
    long address = left == null ? reserve(body) : left;
    long end = address + PAGE + body;
    long before = Math.min(CANARY_BYTES, body - space);
    MemorySegment around =
        MemorySegment.ofAddress(end - space - before).reinterpret(space + before);
    return new Block(address, body, around, before, bytes);
  }

  private static long reserve(long body) {
    long address = Posix.reserve(body + 2 * PAGE);
    Posix.open(address + PAGE, body);
    return address;
  }

  private static void release(long address, long body) {
    Queue<Long> left = LEFT.computeIfAbsent(body, _ -> new LinkedBlockingQueue<>(MOST_LEFT));
    if (body > LARGEST_LEFT || !left.offer(address)) {
      Posix.release(address, body + 2 * PAGE);
    }
  }

  private Block plain(long bytes, long space, int alignment) {
    long before = roundUp(CANARY_BYTES, alignment);
    MemorySegment around = arena.allocate(before + space + CANARY_BYTES, Math.max(alignment, 8));
    return new Block(0, 0, around, before, bytes);
  }

  /** Fills with the poison, whatever the alignment of the start. */
  static void fill(MemorySegment segment, long from, long to) {
    long whole = to - (to - from) % 4;
    for (long i = from; i < whole; i += POISONED.byteSize()) {
      long bytes = Math.min(POISONED.byteSize(), whole - i);
      MemorySegment.copy(POISONED, 0, segment, i, bytes);
    }
    for (long i = whole; i < to; i++) {
      segment.set(ValueLayout.JAVA_BYTE, i, (byte) 0xc1);
    }
  }

  /**
   * Compares the canaries.
   *
   * @throws AssertionError where one was overwritten
   */
  public void verify() {
    for (Block b : blocks) {
      verify(b, 0, b.before);
      verify(b, b.before + b.bytes, b.around.byteSize());
    }
  }

  private static void verify(Block b, long from, long to) {
    for (long i = from; i < to; i++) {
      byte canary = canary(b.around.byteSize(), i);
      if (b.around.get(ValueLayout.JAVA_BYTE, i) != canary) {
        throw new AssertionError(
            "a block of " + b.bytes + " bytes was written at byte " + (i - b.before));
      }
    }
  }

  private static byte canary(long size, long i) {
    return i >= size - size % 4 ? (byte) 0xc1 : (byte) (POISON >>> (8 * (i % 4)));
  }

  private static long roundUp(long bytes, long multiple) {
    return (bytes + multiple - 1) / multiple * multiple;
  }

  @Override
  public void close() {
    for (Block b : blocks) {
      if (b.body > 0) {
        release(b.address, b.body);
      }
    }
    blocks.clear();
    arena.close();
  }

  private static final class Block {
    final long address;
    final long body; // between two inaccessible pages; 0: none
    final MemorySegment around;
    final long before;
    final long bytes;
    final MemorySegment segment;

    Block(long address, long body, MemorySegment around, long before, long bytes) {
      this.address = address;
      this.body = body;
      this.around = around;
      this.before = before;
      this.bytes = bytes;
      this.segment = around.asSlice(before, bytes);
    }
  }
}

package io.mla4j.testkit;

import com.sun.management.ThreadMXBean;
import io.mla4j.Mla4jException;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;

/**
 * Valid files with bytes changed, taken away, put in and copied elsewhere: reading them succeeds or
 * ends in a typed error of one line, within two seconds of processor time (a machine may do other
 * work meanwhile) and 64 MiB. {@code -Dmla4j.fuzz=1000000} asks for so many changes, {@code
 * -Dmla4j.fuzz.seed} for the same ones again.
 */
public final class ReaderFuzz {
  private static final long SEED = Long.getLong("mla4j.fuzz.seed", System.nanoTime());
  private static final long MAX_NANOS = 2_000_000_000L;
  private static final long MAX_BYTES = 64L << 20;
  private static final String SYNTAX = "{}[]\",:0123456789-.eEtfn\\ %|()'$#";

  /** What a reader of counts and lengths may stumble over. */
  private static final long[] NUMBERS = {
    0, 1, 31, 255, 1 << 16, 1L << 31, (1L << 32) - 1, 1L << 40, Long.MAX_VALUE, Long.MIN_VALUE, -1
  };

  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  /** Reading took more time or memory than it may. */
  static final class LimitError extends AssertionError {
    private static final long serialVersionUID = 1L;

    LimitError(String message) {
      super(message);
    }
  }

  private final Random random = new Random(SEED);
  private final String name;

  /** {@code name}: of what is read, for the message of a failure. */
  ReaderFuzz(String name) {
    this.name = name;
  }

  /** How many changes are asked for, {@code usual} where nothing else is said. */
  public static int tries(int usual) {
    return Integer.getInteger("mla4j.fuzz", QuickRun.part(usual));
  }

  /**
   * Reads {@code tries} changed versions of a target's original.
   *
   * @param folder an empty one
   * @return how many were refused
   */
  public static int run(FuzzTarget target, Path folder, int tries) throws IOException {
    ReaderFuzz fuzz = new ReaderFuzz(target.name());
    try (FuzzTarget.Opened opened = target.opening().open(folder)) {
      return fuzz.run(opened, tries);
    }
  }

  /**
   * As {@link #run} with {@link #tries} of what is usual: some changes are refused, and some are
   * harmless, but these are few, so that a quick run may have none of them.
   */
  public static void runRefusingSome(FuzzTarget target, Path folder, int usual) throws IOException {
    int tries = tries(usual);
    int refused = run(target, folder, tries);
    if (refused == 0 || refused == tries && !QuickRun.isOn()) {
      throw new AssertionError(refused + " of " + tries + " were refused");
    }
  }

  private int run(FuzzTarget.Opened opened, int tries) {
    int refused = 0;
    for (int n = 0; n < tries; n++) {
      byte[] changed = changed(opened.original(), opened.range());
      String what = name + ", -Dmla4j.fuzz.seed=" + SEED + ", try " + n + ": ";
      if (refuses(what, changed, opened.reader())) {
        refused++;
      }
    }
    return refused;
  }

  /**
   * Reads bytes once.
   *
   * @param what begins the message of a failure
   * @return whether they were refused
   * @throws AssertionError where they were neither read nor refused with one line
   * @throws LimitError where that took too long or too much
   */
  static boolean refuses(String what, byte[] bytes, FuzzTarget.Reader reader) {
    long begin = THREADS.getCurrentThreadCpuTime();
    long before = THREADS.getCurrentThreadAllocatedBytes();
    boolean refused = false;
    try {
      reader.read(bytes);
    } catch (Mla4jException e) {
      refused = true;
      if (e.getMessage().indexOf('\n') >= 0) {
        throw new AssertionError(what + "more than a line: " + e.getMessage());
      }
    } catch (Throwable e) {
      throw new AssertionError(what + e, e);
    }
    long allocated = THREADS.getCurrentThreadAllocatedBytes() - before;
    if (allocated >= MAX_BYTES) {
      throw new LimitError(what + allocated + " bytes");
    }
    if (THREADS.getCurrentThreadCpuTime() - begin >= MAX_NANOS) {
      throw new LimitError(what + "took more than 2 s");
    }
    return refused;
  }

  byte[] changed(byte[] original, int range) {
    byte[] bytes = original.clone();
    int within = range;
    for (int i = 1 + random.nextInt(4); i > 0; i--) {
      int at = random.nextInt(within);
      switch (random.nextInt(7)) {
        case 0 -> bytes[at] = (byte) random.nextInt(256);
        case 1 -> bytes[at] = (byte) SYNTAX.charAt(random.nextInt(SYNTAX.length()));
        case 2 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
        case 3 -> {
          // what counts the file's own bytes may be off by a few; the first number is often such
          long value =
              random.nextInt(3) == 0
                  ? bytes.length - random.nextInt(24)
                  : NUMBERS[random.nextInt(NUMBERS.length)];
          byte[] number =
              ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array();
          int to = random.nextInt(4) == 0 ? 0 : at;
          System.arraycopy(number, 0, bytes, to, Math.min(8, bytes.length - to));
        }
        case 4 -> {
          int from = random.nextInt(within);
          int length = Math.min(random.nextInt(32), bytes.length - Math.max(at, from));
          System.arraycopy(bytes, from, bytes, at, length);
        }
        case 5 -> { // a few bytes are missing
          int gone = Math.min(random.nextInt(16), bytes.length - at - 1);
          System.arraycopy(bytes, at + gone, bytes, at, bytes.length - at - gone);
          bytes = Arrays.copyOf(bytes, bytes.length - gone);
          within = Math.max(1, within - gone);
        }
        default -> { // the file ends early
          if (random.nextInt(8) == 0) {
            bytes = Arrays.copyOf(bytes, Math.max(1, at));
            within = bytes.length;
          }
        }
      }
    }
    return bytes;
  }
}

package io.mla4j.cpu;

import io.mla4j.InvalidArgumentException;
import io.mla4j.ops.FeedForward;
import io.mla4j.ops.Weight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;

/**
 * Asks the system for the pages of mapped experts that a step is about to read. Without it each
 * page that is not in memory is a fault, which waits for the disk, and brings in megabytes around
 * it that belong to other experts and drive out those that are needed next.
 *
 * <p>Sleeps where everything is in memory: then a mixture looks now and then at a page of each
 * matrix that it will read, and asks for nothing. A page that is missing wakes it for some hundred
 * mixtures. Requests are made by a thread of their own, since making room for pages takes the time
 * of whoever asks for them.
 *
 * <p>The property {@code mla4j.readahead} or the variable {@code MLA4J_READAHEAD} with the value
 * {@code off} instead of {@code auto} turns it off. So it is on systems that are not Linux, and
 * where native access is not enabled. Belongs to whoever has the device's turn, but for {@link
 * #add} and {@link #remove}, which any thread may call.
 */
final class Readahead implements AutoCloseable {
  private static final String PROPERTY = "mla4j.readahead";
  private static final String VARIABLE = "MLA4J_READAHEAD";

  /** Mixtures from one look at pages to the next. */
  private static final int LOOK_EVERY = 16;

  /** Mixtures that ask for pages after one that missed some. */
  private static final int AWAKE = 512;

  /** What is asked for at once at most: more would drive out what was asked for first. */
  private static final long MAX_BYTES = 256L << 20;

  private final List<MemorySegment> files = new CopyOnWriteArrayList<>();
  private final boolean off = isOff();
  private @Nullable Helper helper;
  private int untilLook;
  private int awake;

  private static boolean isOff() {
    String asked = System.getProperty(PROPERTY, "");
    if (asked.isBlank()) {
      asked = Objects.requireNonNullElse(System.getenv(VARIABLE), "");
    }
    return switch (asked.strip()) {
      case "", "auto" -> false;
      case "off" -> true;
      default ->
          throw new InvalidArgumentException(
              PROPERTY + " or " + VARIABLE + " is " + asked + ", but must be auto or off");
    };
  }

  /** Where the matrices of a mixture's experts lie: three of each, gate, up and down. */
  static final class Experts {
    static final int MATRICES = 3;

    private final long[] addresses;
    private final long[] bytes;

    private Experts(List<FeedForward.Weights> experts) {
      addresses = new long[MATRICES * experts.size()];
      bytes = new long[addresses.length];
      for (int e = 0; e < experts.size(); e++) {
        set(MATRICES * e, experts.get(e).requiredGate());
        set(MATRICES * e + 1, experts.get(e).up());
        set(MATRICES * e + 2, experts.get(e).down());
      }
    }

    private void set(int i, Weight weight) {
      addresses[i] = weight.tensor().segment().address();
      bytes[i] = weight.format().bytes(weight.out() * weight.tensor().stride(0));
    }
  }

  /** A file that was mapped. */
  void add(MemorySegment mapped) {
    files.add(mapped);
  }

  /** It is about to be unmapped. */
  void remove(MemorySegment mapped) {
    files.removeIf(file -> file == mapped);
  }

  /** The matrices of experts that lie in a mapped file; empty where there is nothing to ask for. */
  Optional<Experts> of(List<FeedForward.Weights> experts) {
    long address = experts.getFirst().requiredGate().tensor().segment().address();
    boolean mapped =
        !off
            && files.stream()
                .anyMatch(f -> address >= f.address() && address - f.address() < f.byteSize());
    return mapped ? Optional.of(new Experts(experts)) : Optional.empty();
  }

  /**
   * Says which experts are about to be read, gates and ups first.
   *
   * @param counts how many tokens chose each expert
   */
  void soon(Experts experts, int[] counts) {
    Helper helper = this.helper;
    if (helper == null) {
      helper = new Helper();
      this.helper = helper;
    }
    FilePages pages = helper.pages;
    if (pages == null) {
      return; // not linked yet: no start waits for that; or there is nothing to link
    }
    if (untilLook-- == 0) {
      untilLook = LOOK_EVERY - 1;
      awake = helper.isMissing(pages, experts, counts) ? AWAKE : awake;
    }
    if (awake > 0) {
      awake--;
      helper.request(experts, counts);
    }
  }

  @Override
  public void close() {
    if (helper != null) {
      helper.close();
    }
  }

  /** The thread that makes the requests. */
  private static final class Helper implements Runnable {
    private final MemorySegment flag = Arena.ofAuto().allocate(1);

    /** Null until they are linked, and where there are none. */
    private volatile @Nullable FilePages pages;

    // Guarded by this: what is to be requested, from next to end.
    private long[] addresses = new long[0];
    private long[] bytes = new long[0];
    private int next;
    private int end;
    private boolean closed;

    Helper() {
      Thread.ofPlatform().daemon().name("mla4j-readahead").start(this);
    }

    /** Whether the first page of a matrix is not in memory. */
    boolean isMissing(FilePages pages, Experts experts, int[] counts) {
      for (int i = 0; i < experts.addresses.length; i++) {
        if (counts[i / Experts.MATRICES] > 0 && !pages.isResident(experts.addresses[i], flag)) {
          return true;
        }
      }
      return false;
    }

    /** In place of what was requested before and is not under way: that is read by now. */
    synchronized void request(Experts experts, int[] counts) {
      if (addresses.length < experts.addresses.length) {
        addresses = new long[experts.addresses.length];
        bytes = new long[addresses.length];
      }
      next = 0;
      end = 0;
      long left = MAX_BYTES;
      // In the order in which a mixture reads: all gates and ups, then all downs.
      for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < experts.addresses.length && left > 0; i++) {
          boolean down = i % Experts.MATRICES == Experts.MATRICES - 1;
          if (counts[i / Experts.MATRICES] > 0 && down == (pass == 1)) {
            addresses[end] = experts.addresses[i];
            bytes[end++] = experts.bytes[i];
            left -= experts.bytes[i];
          }
        }
      }
      notify();
    }

    synchronized void close() {
      closed = true;
      notify();
    }

    @Override
    public void run() {
      FilePages linked = FilePages.ofSystem().orElse(null);
      pages = linked;
      while (linked != null) {
        long address;
        long length;
        synchronized (this) {
          while (next == end && !closed) {
            try {
              wait();
            } catch (InterruptedException e) {
              return; // nobody interrupts it but who ends it
            }
          }
          if (closed) {
            return;
          }
          address = addresses[next];
          length = bytes[next++];
        }
        linked.willNeed(address, length);
      }
    }
  }
}

package io.mla4j;

import io.mla4j.spi.PagedView;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The stored bytes of a sequence, part by part: of each layer of each group the rows in the order
 * of the tokens and, where the layout has some, the plane of scales; of each layer of a recurrence
 * its state after the last token. What files and other processes keep of a sequence.
 *
 * <p>Several threads may read or write parts at once while the sequence stays as it is; closing the
 * pool waits for calls that run.
 */
public final class SequenceRows {
  /** What the bytes of a part are. */
  public enum Kind {
    /** Rows of a group. */
    ROWS,
    /** Scales of a group's rows. */
    SCALES,
    /** A state, whatever the number of tokens. */
    STATE
  }

  /**
   * One kind of bytes of one layer.
   *
   * @param group the group of rows, 0 for latents; of a state 0
   * @param layer the layer of the group, or of the states
   */
  public record Part(Kind kind, int group, int layer) {}

  /** Takes or fills the bytes of consecutive tokens, or a state at once. */
  @FunctionalInterface
  public interface Block {
    /** {@code bytes}: of the host, valid during the call, of the tokens that follow the last. */
    void next(MemorySegment bytes) throws IOException;
  }

  /** Fills the parts of a new sequence, in any order. */
  @FunctionalInterface
  public interface Source {
    /** Fills all of them, or throws. */
    void fill(SequenceRows rows) throws IOException;
  }

  private final LatentCache cache;
  private final Sequence sequence;
  private final int tokens;

  private SequenceRows(Sequence sequence, int tokens) {
    this.cache = sequence.cache();
    this.sequence = sequence;
    this.tokens = tokens;
  }

  /**
   * Those of a sequence as it is now.
   *
   * @throws InvalidStateException where the sequence is part of an open step
   * @throws ClosedException where the sequence or the pool is closed
   */
  public static SequenceRows of(Sequence sequence) {
    synchronized (sequence.cache()) {
      sequence.requireIdle();
      return new SequenceRows(sequence, sequence.length());
    }
  }

  /**
   * A new sequence of so many tokens.
   *
   * @throws CacheFullException where the pool has too few free pages; nothing was changed
   * @throws IOException what the source throws: nothing was changed
   */
  public static Sequence load(LatentCache cache, int tokens, Source source) throws IOException {
    Sequence sequence = cache.newSequence();
    try {
      try (Step step = Batch.of(sequence).reserve(tokens)) {
        source.fill(new SequenceRows(sequence, tokens));
        step.commit();
      }
      return sequence;
    } catch (IOException | RuntimeException | Error e) {
      sequence.close();
      throw e;
    }
  }

  /** The pool. */
  public LatentCache cache() {
    return cache;
  }

  /** Tokens. */
  public int tokens() {
    return tokens;
  }

  /** Bytes of one token in a part, which is no state. */
  public long tokenBytes(Part part) {
    LatentLayout layout = cache.layout(part.group());
    return part.kind() == Kind.SCALES ? layout.scaleBytes() : layout.rowStrideBytes();
  }

  /**
   * Gives the bytes of a part to {@code to}.
   *
   * @throws IOException what it throws
   */
  public void read(Part part, Block to) throws IOException {
    if (part.kind() == Kind.STATE) {
      forState(part, false, to);
    } else {
      forEachPage(part, false, to);
    }
  }

  /**
   * Has {@code from} fill the bytes of a part.
   *
   * @throws IOException what it throws
   */
  public void write(Part part, Block from) throws IOException {
    if (part.kind() == Kind.STATE) {
      forState(part, true, from);
    } else {
      forEachPage(part, true, from);
    }
  }

  private void forState(Part part, boolean writes, Block block) throws IOException {
    Device device = cache.device();
    long bytes = cache.stateLayout().bytes();
    if (part.layer() < 0 || part.layer() >= cache.stateLayers()) {
      throw new InvalidArgumentException(
          "layer is " + part.layer() + ", but states have 0.." + (cache.stateLayers() - 1));
    }
    try (PagedView.Lease _ = cache.acquire();
        Arena arena = Arena.ofConfined()) {
      MemorySegment copy = arena.allocate(bytes, 64);
      SequenceStates states = sequence.states();
      if (writes) {
        block.next(copy);
        device.copy(copy, 0, states.after(part.layer()), 0, bytes);
        states.written(part.layer(), tokens);
      } else {
        // One that has seen no tokens is zero, whatever its memory holds.
        if (tokens > 0) {
          device.copy(states.before(part.layer(), tokens), 0, copy, 0, bytes);
        }
        block.next(copy);
      }
    }
  }

  private void forEachPage(Part part, boolean writes, Block block) throws IOException {
    RowGroup group = cache.group(part.group());
    MemorySegment base = group.base(part.layer());
    long stride = group.params().pageStrideBytes();
    long offset = part.kind() == Kind.SCALES ? group.params().scaleOffsetBytes() : 0;
    int pageSize = cache.pageSize();
    Device device = cache.device();
    try (PagedView.Lease _ = cache.acquire();
        Arena arena = device.hostAccessible() ? null : Arena.ofConfined()) {
      MemorySegment copy = arena == null ? null : arena.allocate(tokenBytes(part) * pageSize, 64);
      for (int first = 0; first < tokens; first += pageSize) {
        long at = sequence.page(first / pageSize) * stride + offset;
        long bytes = tokenBytes(part) * Math.min(pageSize, tokens - first);
        if (copy == null) {
          block.next(base.asSlice(at, bytes));
        } else if (writes) {
          block.next(copy.asSlice(0, bytes));
          device.copy(copy, 0, base, at, bytes);
        } else {
          device.copy(base, at, copy, 0, bytes);
          block.next(copy.asSlice(0, bytes));
        }
      }
    }
  }
}

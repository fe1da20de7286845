package io.mla4j;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/**
 * The cached tokens of one text: a length and a page table. Belongs to one thread at a time.
 *
 * <p>Tokens are added by a {@link Step}. While a step is open, the sequence cannot be changed
 * otherwise.
 */
public final class Sequence implements AutoCloseable {
  private static final int INITIAL_PAGES = 8;

  private final LatentCache cache;
  private final LeakReport leak;

  /** Null where no layer has a state. */
  private final @Nullable SequenceStates states;

  private MemorySegment pageTable = newTable(INITIAL_PAGES);
  private int pages;
  private int length;
  private int announced;
  private AttentionForm form = AttentionForm.AUTO;
  private @Nullable Batch alone;
  private boolean inStep;
  private boolean closed;

  /** {@code states}: empty ones, or null. */
  Sequence(LatentCache cache, @Nullable SequenceStates states) {
    this.cache = cache;
    this.states = states;
    this.leak = LeakReport.watch(this, "a sequence", cache.reportsLeaks());
  }

  /** Tokens in the cache. */
  public int length() {
    return length;
  }

  /**
   * Tells how many tokens the sequence will have once all that is known of its text has been added.
   * Rotations that depend on the length (longrope, dynamic scaling) then take this one in every
   * step until the sequence is longer, so that a prompt in chunks is what it is in one step. Tokens
   * that are cached keep the rotation that they were cached with.
   *
   * @throws InvalidArgumentException where tokens is negative
   */
  public void announce(int tokens) {
    if (tokens < 0) {
      throw new InvalidArgumentException("tokens is " + tokens + ", but must be at least 0");
    }
    announced = tokens;
  }

  /**
   * Tells which form {@link AttentionForm#AUTO} stands for in the next steps of this sequence;
   * {@code AUTO} itself for the cost model's choice, which goes by how many tokens a step has.
   *
   * @throws InvalidArgumentException where form is null
   */
  public void form(AttentionForm form) {
    if (form == null) {
      throw new InvalidArgumentException("form is null");
    }
    this.form = form;
  }

  /** What {@link AttentionForm#AUTO} stands for. */
  AttentionForm form() {
    return form;
  }

  /** What was {@linkplain #announce announced}, 0 where nothing was. */
  int announced() {
    return announced;
  }

  /** The pool. */
  public LatentCache cache() {
    return cache;
  }

  /**
   * Whether {@link #truncate} can take single tokens away: not where a layer has the state of a
   * recurrence, of which no earlier one is kept.
   */
  public boolean isRewindable() {
    return states == null;
  }

  /**
   * Forgets the tokens from {@code newLength} on, and what was announced, and gives back the pages
   * that only they used.
   *
   * @throws InvalidArgumentException where newLength is negative or more than {@link #length}
   * @throws InvalidStateException within an open step; or where the sequence is not {@linkplain
   *     #isRewindable rewindable} and newLength is neither 0 nor {@link #length}: a {@link #fork}
   *     made before keeps the earlier state
   * @throws ClosedException after {@link #close}
   */
  public void truncate(int newLength) {
    synchronized (cache) {
      requireIdle();
      if (newLength < 0 || newLength > length) {
        throw new InvalidArgumentException(
            "newLength is " + newLength + ", but must be in 0.." + length);
      }
      if (states != null && newLength != length) {
        if (newLength > 0) {
          throw new InvalidStateException(
              "newLength is "
                  + newLength
                  + ", but the sequence has the state of a recurrence after "
                  + length
                  + " tokens, which cannot be rewound: only 0 and "
                  + length
                  + " are possible");
        }
        states.clear();
      }
      shrinkTo(pagesFor(newLength));
      length = newLength;
      announced = 0;
    }
  }

  /**
   * A sequence with the same tokens. Full pages are shared; the last, partial one is copied when
   * either sequence writes to it. Takes no page itself. States of a recurrence are copied.
   *
   * @throws Mla4jException where the device lacks the memory for states
   * @throws InvalidStateException within an open step
   * @throws ClosedException after {@link #close}
   */
  public Sequence fork() {
    synchronized (cache) {
      requireIdle();
      Sequence copy = new Sequence(cache, states == null ? null : states.copy(cache.device()));
      copy.reserveTable(pages);
      for (int i = 0; i < pages; i++) {
        cache.pool().retain(page(i));
        copy.setPage(i, page(i));
      }
      copy.pages = pages;
      copy.length = length;
      copy.announced = announced;
      return copy;
    }
  }

  /**
   * Gives back all pages. Closing twice, or after the pool, is harmless.
   *
   * @throws InvalidStateException within an open step
   */
  @Override
  public void close() {
    synchronized (cache) {
      if (closed) {
        return;
      }
      if (inStep) {
        throw new InvalidStateException("the sequence is part of an open step");
      }
      shrinkTo(0);
      length = 0;
      closed = true;
      if (states != null) {
        states.release();
      }
      leak.closed();
    }
  }

  /** This sequence as a batch of one. */
  Batch alone() {
    if (alone == null) {
      alone = Batch.of(this);
    }
    return alone;
  }

  /** Call with the pool's lock held: new pages, and a page for a copy, that n more tokens need. */
  int pagesNeeded(int n) {
    return pagesFor(Math.addExact(length, n)) - pages + (needsCopy(n) ? 1 : 0);
  }

  /**
   * Call with the pool's lock held, after a check that enough pages are free.
   *
   * @return the shared page that was replaced by a copy, or -1
   */
  int grow(int n) {
    int replaced = -1;
    if (needsCopy(n)) {
      int last = pages - 1;
      replaced = page(last);
      int copy = cache.pool().take();
      try {
        cache.copyPage(replaced, copy, length % cache.pageSize());
      } catch (RuntimeException | Error e) {
        cache.pool().release(copy);
        throw e;
      }
      setPage(last, copy);
    }
    int target = pagesFor(length + n);
    reserveTable(target);
    while (pages < target) {
      setPage(pages++, cache.pool().take());
    }
    inStep = true;
    return replaced;
  }

  /** Call with the pool's lock held. */
  void commit(int n, int replaced) {
    if (replaced >= 0) {
      cache.pool().release(replaced);
    }
    if (states != null) {
      states.commit();
    }
    length += n;
    inStep = false;
  }

  /** Call with the pool's lock held. */
  void rollBack(int replaced) {
    if (states != null) {
      states.rollBack();
    }
    shrinkTo(pagesFor(length));
    if (replaced >= 0) {
      cache.pool().release(page(pages - 1));
      setPage(pages - 1, replaced);
    }
    inStep = false;
  }

  /** Call with the pool's lock held, on whole pages: one more, which others hold too. */
  void appendShared(int page) {
    cache.pool().retain(page);
    reserveTable(pages + 1);
    setPage(pages++, page);
    length += cache.pageSize();
  }

  /** Call with the pool's lock held: takes a page with the same rows in place of page i. */
  void replaceByShared(int i, int page) {
    if (page(i) != page) {
      cache.pool().retain(page);
      cache.pool().release(page(i));
      setPage(i, page);
    }
  }

  /** Call with the pool's lock held. */
  void requireIdle() {
    cache.requireOpen();
    if (closed) {
      throw new ClosedException("the sequence is closed");
    }
    if (inStep) {
      throw new InvalidStateException("the sequence is part of an open step");
    }
  }

  MemorySegment pageTable() {
    return pageTable;
  }

  /**
   * The states.
   *
   * @throws InvalidArgumentException where no layer has one
   */
  SequenceStates states() {
    if (states == null) {
      throw LatentCache.withoutStates();
    }
    return states;
  }

  private boolean needsCopy(int n) {
    return n > 0 && length % cache.pageSize() != 0 && cache.pool().isShared(page(pages - 1));
  }

  private int pagesFor(int tokens) {
    return Math.ceilDiv(tokens, cache.pageSize());
  }

  private void shrinkTo(int count) {
    while (pages > count) {
      cache.pool().release(page(--pages));
      setPage(pages, -1);
    }
    cache.pool().settle();
  }

  /** The id of page i. */
  int page(int i) {
    return pageTable.getAtIndex(ValueLayout.JAVA_INT, i);
  }

  private void setPage(int i, int page) {
    pageTable.setAtIndex(ValueLayout.JAVA_INT, i, page);
  }

  private void reserveTable(int count) {
    if (pageTable.byteSize() < 4L * count) {
      MemorySegment larger = newTable(Math.max(count, 2 * pages));
      MemorySegment.copy(pageTable, 0, larger, 0, 4L * pages);
      pageTable = larger;
    }
  }

  private static MemorySegment newTable(int count) {
    return Arena.ofAuto().allocate(4L * count, 4).fill((byte) -1);
  }
}

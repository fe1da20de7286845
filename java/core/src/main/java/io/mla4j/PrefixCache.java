package io.mla4j;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * Beginnings of texts whose rows are in a {@link LatentCache}, so that sequences that begin alike
 * share them. Full pages are remembered by the ids that they and all pages before them hold: found
 * by a hash, taken only where the ids are equal. A page holds the rows of all groups, so all of
 * them are shared as one thing.
 *
 * <pre>{@code
 * int known = prefixes.share(sequence, "tenant", ids);   // the rows of ids[0, known) are there
 * // compute ids[known, ...)
 * prefixes.publish(sequence, "tenant", ids);             // the next one finds them
 * }</pre>
 *
 * <p>Pages stay when the sequence that computed them is closed. They are given up, least recently
 * used first, when a step finds too few free pages, or when more are remembered than the budget
 * allows; those that a sequence still reads are its own then. Nothing is copied, and a sequence
 * that writes behind what it shares takes a page of its own.
 *
 * <p>Two salts never share a page. What is published must be what anybody would compute for these
 * ids: where bits depend on how a text is cut into steps, both have to cut alike.
 *
 * <p>Thread-safe, by the lock of the pool, which nobody holds during a computation. Closing the
 * pool closes this.
 */
public final class PrefixCache implements AutoCloseable {
  /**
   * What a prefix cache did.
   *
   * @param lookups calls of {@link #share}
   * @param hits those that found a page or more
   * @param tokensAsked ids that were asked for
   * @param tokensShared those whose rows were there
   * @param bytesSaved rows that were shared instead of being stored once more
   * @param pagesGivenUp pages that were forgotten to make room
   * @param pages pages that are remembered now
   * @param bytes their bytes
   */
  public record Statistics(
      long lookups,
      long hits,
      long tokensAsked,
      long tokensShared,
      long bytesSaved,
      long pagesGivenUp,
      int pages,
      long bytes) {}

  private final LatentCache cache;
  private final int pageSize;
  private final long maxPages;

  /** Nobody outside can make ids that all have the same hash. */
  private final long seed = new SplittableRandom().nextLong();

  private final Map<String, PrefixNode> roots = new HashMap<>();
  private final Map<Long, PrefixNode> nodes = new HashMap<>();

  /** Both ends of the order of use. */
  private final PrefixNode oldest = new PrefixNode(0);

  private final PrefixNode newest = new PrefixNode(0);
  private int pages;
  private long lookups;
  private long hits;
  private long asked;
  private long shared;
  private long givenUp;
  private boolean closed;

  /**
   * Remembers pages of {@code cache}, at most {@code budgetBytes} of them. A cache has at most one.
   *
   * @throws InvalidArgumentException where the cache has states of a recurrence, which are no rows
   *     of a page: such texts cannot share a beginning; or where the budget is less than a page
   * @throws InvalidStateException where the cache has one already
   * @throws ClosedException where the cache is closed
   */
  public PrefixCache(LatentCache cache, long budgetBytes) {
    if (cache == null) {
      throw new InvalidArgumentException("cache is null");
    }
    if (cache.stateLayers() > 0) {
      throw new InvalidArgumentException(
          "the cache has states of a recurrence, which are not in its pages, so sequences cannot"
              + " share a beginning");
    }
    if (budgetBytes < cache.pageBytes()) {
      throw new InvalidArgumentException(
          "budgetBytes is " + budgetBytes + ", but one page takes " + cache.pageBytes());
    }
    this.cache = cache;
    this.pageSize = cache.pageSize();
    this.maxPages = budgetBytes / cache.pageBytes();
    oldest.newer = newest;
    newest.older = oldest;
    synchronized (cache) {
      cache.attach(this);
    }
  }

  /**
   * The ids that a text begins with, hashed once for all calls that ask for them. Immutable; of the
   * prefix cache that made it.
   */
  public static final class Beginning {
    private final PrefixCache of;
    private final String salt;
    private final int[] ids;

    /** Of every full page of ids with all that is before it. */
    private final long[] hashes;

    private Beginning(PrefixCache of, String salt, int[] ids) {
      this.of = of;
      this.salt = salt;
      this.ids = ids;
      this.hashes = of.hashes(salt, ids);
    }
  }

  /**
   * What a text begins with.
   *
   * @param salt keeps tenants apart
   */
  public Beginning beginning(String salt, int[] ids) {
    return new Beginning(this, salt, ids.clone());
  }

  /** The pool. */
  public LatentCache cache() {
    return cache;
  }

  /**
   * Appends the known rows of {@code ids} to a sequence, as many full pages as there are. A
   * sequence that is not empty holds {@code ids[0, length)} already, computed as what is published.
   *
   * @param salt keeps tenants apart
   * @return tokens of the sequence now
   * @throws InvalidArgumentException where the sequence belongs to another pool, or has more tokens
   *     than ids or a page that is not full
   * @throws InvalidStateException where it is part of an open step
   * @throws ClosedException where the sequence, the pool or this is closed
   */
  public int share(Sequence sequence, String salt, int[] ids) {
    return share(sequence, new Beginning(this, salt, ids));
  }

  /**
   * As above.
   *
   * @throws InvalidArgumentException also where another prefix cache made {@code text}
   */
  public int share(Sequence sequence, Beginning text) {
    requireOwn(text);
    int[] ids = text.ids;
    long[] hashes = text.hashes;
    synchronized (cache) {
      requireUsable(sequence, ids);
      if (sequence.length() % pageSize != 0) {
        throw new InvalidArgumentException(
            "sequence has "
                + sequence.length()
                + " tokens, but must have whole pages of "
                + pageSize);
      }
      int before = sequence.length();
      PrefixNode last = roots.get(text.salt);
      int found = 0;
      if (last != null) {
        for (PrefixNode next = last; found < hashes.length && next != null; ) {
          next = child(last, hashes[found], ids, found);
          if (next != null) {
            last = next;
            found++;
            if (found > before / pageSize) {
              sequence.appendShared(next.page);
            }
          }
        }
        touch(last);
      }
      lookups++;
      hits += sequence.length() > before ? 1 : 0;
      asked += ids.length - before;
      shared += sequence.length() - before;
      return sequence.length();
    }
  }

  /**
   * Remembers the full pages of a sequence that holds {@code ids}, or ids that begin with its
   * tokens. Where a page is known already, the sequence takes that one in place of its own.
   *
   * @param salt keeps tenants apart
   * @throws InvalidArgumentException where the sequence belongs to another pool or has fewer tokens
   *     than ids
   * @throws InvalidStateException where it is part of an open step
   * @throws ClosedException where the sequence, the pool or this is closed
   */
  public void publish(Sequence sequence, String salt, int[] ids) {
    publish(sequence, new Beginning(this, salt, ids), ids.length);
  }

  /**
   * As above, of the first {@code count} ids of a text.
   *
   * @throws InvalidArgumentException also where another prefix cache made {@code text}, or it has
   *     fewer ids
   */
  public void publish(Sequence sequence, Beginning text, int count) {
    requireOwn(text);
    int[] ids = text.ids;
    long[] hashes = text.hashes;
    if (count < 0 || count > ids.length) {
      throw new InvalidArgumentException(
          "count is " + count + ", but the text has " + ids.length + " ids");
    }
    synchronized (cache) {
      requireUsable(sequence, null);
      if (count > sequence.length()) {
        throw new InvalidArgumentException(
            "ids has " + count + " ids, but the sequence has " + sequence.length() + " tokens");
      }
      PrefixNode last = roots.get(text.salt);
      if (last == null) {
        last = new PrefixNode(mix(seed, text.salt.hashCode()));
      }
      for (int i = 0; i < count / pageSize; i++) {
        PrefixNode next = child(last, hashes[i], ids, i);
        if (next != null) {
          sequence.replaceByShared(i, next.page);
        } else {
          if (pages >= maxPages && !giveUpOne(last, false)) {
            break;
          }
          if (last.isRoot()) {
            roots.put(text.salt, last);
          }
          next = insert(last, hashes[i], ids, i, sequence.page(i));
        }
        last = next;
      }
      touch(last);
    }
  }

  /** What it did so far. */
  public Statistics statistics() {
    synchronized (cache) {
      return new Statistics(
          lookups,
          hits,
          asked,
          shared,
          shared / pageSize * cache.pageBytes(),
          givenUp,
          pages,
          pages * cache.pageBytes());
    }
  }

  /**
   * Forgets all pages of a tenant, or of all where {@code salt} is null. Sequences keep what they
   * share.
   *
   * @throws ClosedException where the pool or this is closed
   */
  public void forget(@Nullable String salt) {
    synchronized (cache) {
      requireOpen();
      for (PrefixNode node = newest.older; node != oldest; ) {
        PrefixNode next = node.older;
        if (salt == null || node.root() == roots.get(salt)) {
          remove(node);
        }
        node = next;
      }
      roots.values().removeIf(root -> root.children == 0);
      cache.pool().settle();
    }
  }

  /** Gives its pages back. Closing twice, or after the pool, is harmless. */
  @Override
  public void close() {
    synchronized (cache) {
      if (!closed) {
        if (!cache.isClosed()) {
          forget(null);
          cache.attach(null);
        }
        closed = true;
      }
    }
  }

  /**
   * Call with the pool's lock held: gives up pages until {@code wanted} are free, or none where
   * they would not suffice. A page that a sequence reads goes only where nothing else is left, to
   * reach those before it.
   *
   * @return whether so many are free
   */
  boolean makeRoom(long wanted) {
    if (cache.pool().freeCount() + unread() < wanted) {
      return false;
    }
    while (cache.pool().freeCount() < wanted
        && (giveUpOne(null, true) || giveUpOne(null, false))) {}
    return true;
  }

  /** Call with the pool's lock held: pages that nobody but this holds. */
  int unread() {
    int count = 0;
    for (PrefixNode node = oldest.newer; node != newest; node = node.newer) {
      count += cache.pool().isShared(node.page) ? 0 : 1;
    }
    return count;
  }

  private void requireOpen() {
    cache.requireOpen();
    if (closed) {
      throw new ClosedException("the prefix cache is closed");
    }
  }

  private void requireOwn(Beginning text) {
    if (text.of != this) {
      throw new InvalidArgumentException("text is a beginning of another prefix cache");
    }
  }

  private void requireUsable(Sequence sequence, int @Nullable [] ids) {
    requireOpen();
    if (sequence.cache() != cache) {
      throw new InvalidArgumentException("sequence belongs to another cache");
    }
    sequence.requireIdle();
    if (ids != null && ids.length < sequence.length()) {
      throw new InvalidArgumentException(
          "sequence has " + sequence.length() + " tokens, but ids only " + ids.length);
    }
  }

  /** Of every full page of ids with all that is before it. */
  private long[] hashes(String salt, int[] ids) {
    long[] hashes = new long[ids.length / pageSize];
    long hash = mix(seed, salt.hashCode());
    for (int i = 0; i < hashes.length; i++) {
      for (int t = 0; t < pageSize; t++) {
        hash = mix(hash, ids[i * pageSize + t]);
      }
      hashes[i] = hash;
    }
    return hashes;
  }

  /** The finalizer of MurmurHash3 over both. */
  private static long mix(long hash, int id) {
    long h = (hash ^ id) * 0xff51afd7ed558ccdL;
    h = (h ^ h >>> 33) * 0xc4ceb9fe1a85ec53L;
    return h ^ h >>> 33;
  }

  /** The page of ids behind {@code parent}, or null. */
  private @Nullable PrefixNode child(PrefixNode parent, long hash, int[] ids, int page) {
    int begin = page * pageSize;
    PrefixNode node = nodes.get(hash);
    while (node != null
        && (node.parent != parent
            || !Arrays.equals(node.ids, 0, pageSize, ids, begin, begin + pageSize))) {
      node = node.sameHash;
    }
    return node;
  }

  private PrefixNode insert(PrefixNode parent, long hash, int[] ids, int i, int page) {
    PrefixNode node =
        new PrefixNode(
            parent, hash, Arrays.copyOfRange(ids, i * pageSize, (i + 1) * pageSize), page);
    node.sameHash = nodes.put(hash, node);
    parent.children++;
    cache.pool().retain(page);
    linkAsNewest(node);
    pages++;
    return node;
  }

  private void remove(PrefixNode node) {
    PrefixNode first = nodes.get(node.hash);
    if (first == node && node.sameHash == null) {
      nodes.remove(node.hash);
    } else if (first == node) {
      nodes.put(node.hash, node.sameHash);
    }
    for (PrefixNode before = first; before != null; before = before.sameHash) {
      if (before.sameHash == node) {
        before.sameHash = node.sameHash;
      }
    }
    node.parent.children--;
    node.unlink();
    pages--;
    cache.pool().release(node.page);
  }

  /**
   * Forgets the page that was not used for the longest time of those that no other one follows.
   *
   * @param kept stays
   * @param freed only one that becomes free
   */
  private boolean giveUpOne(@Nullable PrefixNode kept, boolean freed) {
    for (PrefixNode node = oldest.newer; node != newest; node = node.newer) {
      if (node.children == 0 && node != kept && !(freed && cache.pool().isShared(node.page))) {
        remove(node);
        givenUp++;
        PrefixNode root = node.root();
        if (root.children == 0 && root != kept) {
          roots.values().remove(root);
        }
        return true;
      }
    }
    return false;
  }

  /** Those before it become newer than it, so that none is given up before what follows it. */
  private void touch(PrefixNode last) {
    for (PrefixNode node = last; !node.isRoot(); node = node.parent) {
      node.unlink();
      linkAsNewest(node);
    }
  }

  private void linkAsNewest(PrefixNode node) {
    node.older = newest.older;
    node.newer = newest;
    node.older.newer = node;
    newest.older = node;
  }
}

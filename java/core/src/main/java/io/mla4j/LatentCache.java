package io.mla4j;

import static io.mla4j.InvalidArgumentException.require;

import io.mla4j.spi.CacheParams;
import io.mla4j.spi.PagedView;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A pool of pages that holds the latent rows of many sequences, for all layers of a model.
 *
 * <p>A page is {@code pageSize} rows of every layer; its id is the same slot in each. Pages are
 * counted: a fork shares the full pages of its origin and copies the last, partial one when either
 * of them writes to it. The memory, {@code layers * pages} times {@link LatentLayout#pageBytes}, is
 * one segment of one shared arena and is freed by {@link #close}.
 *
 * <p>Tokens may have rows of further kinds, as the keys of an indexer are: groups of rows with a
 * layout and layers of their own ({@link Builder#group}). They lie in the same pages, which have a
 * slot in each layer of each group.
 *
 * <p>Layers of a recurrence remember a state of a fixed size instead of rows ({@link
 * Builder#states}). It belongs to a sequence, is copied with it, and cannot be rewound.
 *
 * <p>The pool is thread-safe; a {@link Sequence} belongs to one thread at a time. Closing while an
 * operation runs waits for it.
 */
public final class LatentCache implements AutoCloseable {
  private final Device device;
  private final Arena arena = Arena.ofShared();

  /** The latents, then the groups of the builder. */
  private final List<RowGroup> groups;

  /** Null where no layer has a state. */
  private final @Nullable StatePool states;

  private final PagePool pool;
  private final boolean reportsLeaks;
  private final LeakReport leak;

  /** Holds pages that sequences may want; null where there is none. */
  private @Nullable PrefixCache prefixes;

  private int leases;
  private boolean closed;

  private LatentCache(Builder builder, int pages) {
    this.device = builder.device;
    long bytes = 0;
    for (Builder.Rows rows : builder.groups()) {
      bytes += rows.pageBytes(builder.pageSize) * pages;
    }
    MemorySegment memory;
    try {
      memory = device.allocate(bytes, arena);
      this.states = builder.statePool(device, arena);
    } catch (RuntimeException | Error e) {
      arena.close();
      throw e;
    }
    List<RowGroup> made = new ArrayList<>();
    long at = 0;
    for (Builder.Rows rows : builder.groups()) {
      long groupBytes = rows.pageBytes(builder.pageSize) * pages;
      CacheParams params =
          new CacheParams(
              rows.layout, builder.pageSize, pages, rows.layout.pageBytes(builder.pageSize));
      made.add(RowGroup.of(params, memory.asSlice(at, groupBytes), rows.layers));
      at += groupBytes;
    }
    this.groups = List.copyOf(made);
    this.pool =
        new PagePool(
            pages, groups, builder.growing ? PoolMemory.of(device, memory, pageBytes()) : null);
    this.reportsLeaks = builder.reportLeaks;
    this.leak = LeakReport.watch(this, "a latent cache of " + bytes() + " bytes", reportsLeaks);
  }

  /** Builds a pool on {@code device}. */
  public static Builder builder(Device device) {
    return new Builder(device);
  }

  /**
   * An empty sequence, which takes pages as steps append to it.
   *
   * @throws Mla4jException where the device lacks the memory for its states
   */
  public synchronized Sequence newSequence() {
    requireOpen();
    return new Sequence(this, states == null ? null : states.take());
  }

  /** How rows of latents lie in memory. */
  public LatentLayout layout() {
    return latents().params().layout();
  }

  /** Layers that have latents. */
  public int layers() {
    return latents().layers();
  }

  /** Groups of rows: the latents, which are group 0, and those of {@link Builder#group}. */
  public int groups() {
    return groups.size();
  }

  /**
   * How the rows of a group lie in memory.
   *
   * @throws InvalidArgumentException where there is no such group
   */
  public LatentLayout layout(int group) {
    return group(group).params().layout();
  }

  /**
   * Layers of a group.
   *
   * @throws InvalidArgumentException where there is no such group
   */
  public int layers(int group) {
    return group(group).layers();
  }

  /** Tokens in a page. */
  public int pageSize() {
    return latents().params().pageSize();
  }

  /** Pages in all. */
  public int pages() {
    return latents().params().pageCount();
  }

  /** Pages that neither a sequence nor a {@link PrefixCache} holds. */
  public synchronized int freePages() {
    return pool.freeCount();
  }

  /** Pages that steps can take: the free ones, and those that only a {@link PrefixCache} holds. */
  public synchronized int availablePages() {
    return pool.freeCount() + (prefixes == null ? 0 : prefixes.unread());
  }

  /** Layers that have a state of a recurrence, numbered on their own, from 0. */
  public int stateLayers() {
    return states == null ? 0 : states.layers();
  }

  /**
   * What a layer's state is.
   *
   * @throws InvalidArgumentException where no layer has one
   */
  public StateLayout stateLayout() {
    if (states == null) {
      throw withoutStates();
    }
    return states.layout();
  }

  /** What to throw where states are asked for and no layer has one. */
  static InvalidArgumentException withoutStates() {
    return new InvalidArgumentException("the cache has no states of a recurrence");
  }

  /** Bytes of all pages of all layers, of all groups, and of all states. */
  public long bytes() {
    return pageBytes() * pages() + stateBytes();
  }

  /** Bytes of all sequences' states, two of each layer: a step writes beside what it reads. */
  public synchronized long stateBytes() {
    return states == null ? 0 : states.bytes();
  }

  /** Bytes of one page in all layers, of all groups. */
  public long pageBytes() {
    return groups.stream().mapToLong(RowGroup::pageBytes).sum();
  }

  /**
   * Bytes that take up memory: all of them, or in a {@linkplain Builder#growing growing} pool the
   * pages in use and up to a sixteenth, or 4 MiB, more.
   */
  public synchronized long residentBytes() {
    return pool.residentBytes(pageBytes() * pages()) + stateBytes();
  }

  /** Whether memory follows use, as {@link Builder#growing} asks the device for. */
  public boolean isGrowing() {
    return pool.followsUse();
  }

  /** The device that holds the pages. */
  public Device device() {
    return device;
  }

  /**
   * Refuses new operations, waits for those that run, and frees the memory. Sequences of a closed
   * pool throw {@link ClosedException}. Closing twice is harmless.
   */
  @Override
  public void close() {
    synchronized (this) {
      if (closed) {
        return;
      }
      closed = true;
      boolean interrupted = false;
      while (leases > 0) {
        try {
          wait();
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
    arena.close();
    leak.closed();
  }

  private RowGroup latents() {
    return groups.getFirst();
  }

  RowGroup group(int group) {
    if (group < 0 || group >= groups.size()) {
      throw new InvalidArgumentException(
          "group is " + group + ", but the cache has groups 0.." + (groups.size() - 1));
    }
    return groups.get(group);
  }

  synchronized PagedView.Lease acquire() {
    requireOpen();
    leases++;
    return new PoolLease();
  }

  /** Counts once, however often it is closed. */
  private final class PoolLease implements PagedView.Lease {
    private boolean released;

    @Override
    public void close() {
      synchronized (LatentCache.this) {
        if (!released) {
          released = true;
          leases--;
          if (leases == 0) {
            LatentCache.this.notifyAll();
          }
        }
      }
    }
  }

  /** Call with the lock held. */
  void requireOpen() {
    if (closed) {
      throw new ClosedException("the latent cache is closed");
    }
  }

  /** Call with the lock held. */
  PagePool pool() {
    return pool;
  }

  /** Call with the lock held: {@code prefixes} holds pages from now on, null for nobody. */
  void attach(@Nullable PrefixCache holder) {
    requireOpen();
    if (holder != null && prefixes != null) {
      throw new InvalidStateException("the cache has a prefix cache already");
    }
    prefixes = holder;
  }

  /**
   * Call with the lock held: whether so many pages are free, for which remembered beginnings of
   * texts are given up where need be; none where they would not suffice.
   */
  boolean makeRoom(long wanted) {
    return wanted <= pool.freeCount() || prefixes != null && prefixes.makeRoom(wanted);
  }

  /** Call with the lock held. */
  boolean isClosed() {
    return closed;
  }

  /** Copies the first {@code rows} rows of a page in every layer of every group. */
  void copyPage(int from, int to, int rows) {
    for (RowGroup group : groups) {
      group.copyPage(device, from, to, rows);
    }
  }

  boolean reportsLeaks() {
    return reportsLeaks;
  }

  /** Sizes of a pool. Not thread-safe. */
  public static final class Builder {
    private static final int MAX_GROUPS = 15;

    private final Device device;
    private @Nullable LatentLayout layout;
    private int layers = 1;
    private final List<Rows> further = new ArrayList<>();
    private int pageSize = 64;
    private long pages = -1;
    private long budgetBytes = -1;
    private @Nullable StateLayout stateLayout;
    private int stateLayers;
    private int sequences = 1;
    private boolean growing;
    private boolean reportLeaks = LeakReport.BY_PROPERTY;

    private Builder(Device device) {
      if (device == null) {
        throw new InvalidArgumentException("device is null");
      }
      this.device = device;
    }

    /** A group of rows. */
    private record Rows(LatentLayout layout, int layers) {
      Rows {
        Attention.requireNonNull("layout", layout);
        requireLayers(layers);
      }

      long pageBytes(int pageSize) {
        return layout.pageBytes(pageSize) * layers;
      }
    }

    /** The layout of a row of latents; there is no default. */
    public Builder layout(LatentLayout layout) {
      this.layout = layout;
      return this;
    }

    /** Layers that have latents, 1 by default. */
    public Builder layers(int layers) {
      this.layers = layers;
      return this;
    }

    /**
     * Rows of a further kind for every token: group 1, 2 and so on in the order of the calls. Their
     * layers are numbered on their own, from 0.
     *
     * @throws InvalidArgumentException where layout is null or layers is out of its range
     */
    public Builder group(LatentLayout layout, int layers) {
      if (further.size() == MAX_GROUPS) {
        throw new InvalidArgumentException("a cache has at most " + MAX_GROUPS + " further groups");
      }
      further.add(new Rows(layout, layers));
      return this;
    }

    /**
     * States of a recurrence: {@code layers} layers, numbered on their own from 0, each have one of
     * {@code layout} for each sequence.
     *
     * @throws InvalidArgumentException where layout is null or layers is out of its range
     */
    public Builder states(StateLayout layout, int layers) {
      Attention.requireNonNull("layout", layout);
      requireLayers(layers);
      this.stateLayout = layout;
      this.stateLayers = layers;
      return this;
    }

    /**
     * Sequences whose states are allocated with the pool, 1 by default; those of more sequences are
     * allocated when these are opened, and freed with the pool.
     *
     * @throws InvalidArgumentException where sequences is negative
     */
    public Builder sequences(int sequences) {
      require(sequences >= 0, "sequences", sequences, "at least 0");
      this.sequences = sequences;
      return this;
    }

    private static void requireLayers(int layers) {
      require(layers >= 1 && layers <= 1 << 16, "layers", layers, "in 1.." + (1 << 16));
    }

    private @Nullable StatePool statePool(Device device, Arena arena) {
      return stateLayout == null
          ? null
          : new StatePool(device, arena, stateLayout, stateLayers, sequences);
    }

    private List<Rows> groups() {
      if (layout == null) {
        throw new InvalidArgumentException("layout is null");
      }
      List<Rows> all = new ArrayList<>();
      all.add(new Rows(layout, layers));
      all.addAll(further);
      return all;
    }

    /** Tokens in a page, 64 by default. */
    public Builder pageSize(int pageSize) {
      this.pageSize = pageSize;
      return this;
    }

    /** How many pages; either this or {@link #tokens} or {@link #budgetBytes} is needed. */
    public Builder pages(long pages) {
      this.pages = pages;
      this.budgetBytes = -1;
      return this;
    }

    /** As many pages as hold {@code tokens} of one sequence; call it after {@link #pageSize}. */
    public Builder tokens(long tokens) {
      return pages(tokens / Math.max(1, pageSize) + (tokens % Math.max(1, pageSize) > 0 ? 1 : 0));
    }

    /**
     * As many pages as fit into {@code bytes}, all layers counted.
     *
     * @throws InvalidArgumentException where bytes is negative
     */
    public Builder budgetBytes(long bytes) {
      require(bytes >= 0, "budgetBytes", bytes, "at least 0");
      this.budgetBytes = bytes;
      this.pages = -1;
      return this;
    }

    /**
     * Has the memory of the pool follow its use: pages that were never written to take up nothing,
     * and the memory of pages that are no longer used goes back to the system. It lies on small
     * pages of the system, so large pools are read a little slower. CPU backends on Linux can do it
     * where native access is enabled, for {@code io.mla4j.core} or by the native backend for its
     * own module; elsewhere ({@link LatentCache#isGrowing}) all memory is taken up at once and
     * stays.
     */
    public Builder growing(boolean growing) {
      this.growing = growing;
      return this;
    }

    /**
     * Logs a warning with the place where it was made when the pool or one of its sequences is lost
     * while open; {@code -Dmla4j.leaks=true} is the default's switch.
     */
    public Builder reportLeaks(boolean reportLeaks) {
      this.reportLeaks = reportLeaks;
      return this;
    }

    /**
     * The pool.
     *
     * @throws InvalidArgumentException naming the size that is missing, out of its range, or too
     *     small for a page
     */
    public LatentCache build() {
      List<Rows> all = groups();
      require(pageSize >= 1 && pageSize <= 1 << 20, "pageSize", pageSize, "in 1.." + (1 << 20));
      long pageBytes = all.stream().mapToLong(rows -> rows.pageBytes(pageSize)).sum();
      long count = budgetBytes >= 0 ? budgetBytes / pageBytes : pages;
      if (count < 1 || count > Integer.MAX_VALUE - 8) {
        throw new InvalidArgumentException(
            budgetBytes >= 0 && count < 1
                ? "budgetBytes is " + budgetBytes + ", but one page takes " + pageBytes
                : "pages is " + count + ", but must be in 1.." + (Integer.MAX_VALUE - 8));
      }
      if (count > Long.MAX_VALUE / pageBytes) {
        throw new InvalidArgumentException("pages is " + count + ", more than can be addressed");
      }
      return new LatentCache(this, (int) count);
    }
  }
}

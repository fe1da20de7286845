package io.mla4j;

import io.mla4j.spi.CacheParams;
import io.mla4j.spi.PagedView;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * A pool of pages that holds the latent rows of many sequences, for all layers of a model.
 *
 * <p>A page is {@code pageSize} rows of every layer; its id is the same slot in each. Pages are
 * counted: a fork shares the full pages of its origin and copies the last, partial one when either
 * of them writes to it. The memory, {@code layers * pages * pageSize * row} bytes, is one segment
 * of one shared arena and is freed by {@link #close}.
 *
 * <p>The pool is thread-safe; a {@link Sequence} belongs to one thread at a time. Closing while an
 * operation runs waits for it.
 */
public final class LatentCache implements AutoCloseable {
  private final Device device;
  private final int layers;
  private final CacheParams params;
  private final Arena arena = Arena.ofShared();
  private final MemorySegment[] layerBases;
  private final long layerBytes;
  private final int[] references;
  private final int[] freePages;
  private final boolean reportsLeaks;
  private final LeakReport leak;
  private int freeCount;
  private int leases;
  private boolean closed;

  private LatentCache(Builder builder, int pages) {
    this.device = builder.device;
    this.layers = builder.layers;
    long pageStride = builder.layout.rowStrideBytes() * builder.pageSize;
    this.params = new CacheParams(builder.layout, builder.pageSize, pages, pageStride);
    this.layerBytes = pageStride * pages;
    MemorySegment memory;
    try {
      memory = device.allocate(layerBytes * layers, arena);
    } catch (RuntimeException | Error e) {
      arena.close();
      throw e;
    }
    this.layerBases = new MemorySegment[layers];
    for (int i = 0; i < layers; i++) {
      layerBases[i] = memory.asSlice(i * layerBytes, layerBytes);
    }
    this.references = new int[pages];
    this.freePages = new int[pages];
    for (int i = 0; i < pages; i++) {
      freePages[i] = pages - 1 - i;
    }
    this.freeCount = pages;
    this.reportsLeaks = builder.reportLeaks;
    this.leak = LeakReport.watch(this, "a latent cache of " + bytes() + " bytes", reportsLeaks);
  }

  /** Builds a pool on {@code device}. */
  public static Builder builder(Device device) {
    return new Builder(device);
  }

  /** An empty sequence, which takes pages as steps append to it. */
  public synchronized Sequence newSequence() {
    requireOpen();
    return new Sequence(this);
  }

  /** How rows lie in memory. */
  public LatentLayout layout() {
    return params.layout();
  }

  /** Layers. */
  public int layers() {
    return layers;
  }

  /** Tokens in a page. */
  public int pageSize() {
    return params.pageSize();
  }

  /** Pages in all. */
  public int pages() {
    return params.pageCount();
  }

  /** Pages that no sequence holds. */
  public synchronized int freePages() {
    return freeCount;
  }

  /** Bytes of all pages of all layers. */
  public long bytes() {
    return layerBytes * layers;
  }

  /** Bytes of one page in all layers. */
  public long pageBytes() {
    return params.pageStrideBytes() * layers;
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

  CacheParams params() {
    return params;
  }

  MemorySegment layerBase(int layer) {
    return layerBases[layer];
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

  /** Call with the lock held, after a check of {@link #freeCount()}. */
  int takePage() {
    int page = freePages[--freeCount];
    references[page] = 1;
    return page;
  }

  /** Call with the lock held. */
  int freeCount() {
    return freeCount;
  }

  /** Call with the lock held. */
  void retainPage(int page) {
    references[page]++;
  }

  /** Call with the lock held. */
  void releasePage(int page) {
    if (--references[page] == 0) {
      freePages[freeCount++] = page;
    }
  }

  /** Call with the lock held. */
  boolean isShared(int page) {
    return references[page] > 1;
  }

  /** Copies the first {@code rows} rows of a page in every layer. */
  void copyPage(int from, int to, int rows) {
    long bytes = rows * params.layout().rowStrideBytes();
    for (int layer = 0; layer < layers; layer++) {
      MemorySegment base = layerBase(layer);
      device.copy(
          base, from * params.pageStrideBytes(), base, to * params.pageStrideBytes(), bytes);
    }
  }

  boolean reportsLeaks() {
    return reportsLeaks;
  }

  /** Sizes of a pool. Not thread-safe. */
  public static final class Builder {
    private final Device device;
    private LatentLayout layout;
    private int layers = 1;
    private int pageSize = 64;
    private long pages = -1;
    private long budgetBytes = -1;
    private boolean reportLeaks = LeakReport.BY_PROPERTY;

    private Builder(Device device) {
      if (device == null) {
        throw new InvalidArgumentException("device is null");
      }
      this.device = device;
    }

    /** The layout of a row; there is no default. */
    public Builder layout(LatentLayout layout) {
      this.layout = layout;
      return this;
    }

    /** Layers of the model, 1 by default. */
    public Builder layers(int layers) {
      this.layers = layers;
      return this;
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

    /**
     * As many pages as hold {@code tokens} tokens of one sequence; call it after {@link #pageSize}.
     */
    public Builder tokens(long tokens) {
      return pages(tokens / Math.max(1, pageSize) + (tokens % Math.max(1, pageSize) > 0 ? 1 : 0));
    }

    /** As many pages as fit into {@code bytes}, all layers counted. */
    public Builder budgetBytes(long bytes) {
      this.budgetBytes = bytes;
      this.pages = -1;
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
      if (layout == null) {
        throw new InvalidArgumentException("layout is null");
      }
      if (layers < 1 || layers > 1 << 16) {
        throw new InvalidArgumentException(
            "layers is " + layers + ", but must be in 1.." + (1 << 16));
      }
      if (pageSize < 1 || pageSize > 1 << 20) {
        throw new InvalidArgumentException(
            "pageSize is " + pageSize + ", but must be in 1.." + (1 << 20));
      }
      long pageBytes = layout.rowStrideBytes() * pageSize * layers;
      long count = budgetBytes >= 0 ? budgetBytes / pageBytes : pages;
      if (count < 1 || count > Integer.MAX_VALUE - 8) {
        throw new InvalidArgumentException(
            budgetBytes >= 0
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

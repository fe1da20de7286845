package io.mla4j.spi;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The piece of an operation that one call of a kernel computes: ranges, half open, and memory of
 * the caller. A worker has one and fills it anew for every piece. Not thread-safe.
 */
public final class Tile {
  private static final int ERROR_BYTES = 512;

  private final MemorySegment error = Arena.ofAuto().allocate(ERROR_BYTES);
  private int rowBegin;
  private int rowEnd;
  private int headBegin;
  private int headEnd;
  private int keyBegin;
  private int keyEnd;
  private int part;
  private MemorySegment workspace = MemorySegment.NULL;

  /** A piece without ranges. */
  public Tile() {}

  /** Tokens, queries, rows of activations, or rows of a weight where it is multiplied. */
  public Tile rows(int begin, int end) {
    rowBegin = begin;
    rowEnd = end;
    return this;
  }

  /** Heads. */
  public Tile heads(int begin, int end) {
    headBegin = begin;
    headEnd = end;
    return this;
  }

  /** Cached tokens, and which part of the results they make. */
  public Tile keys(int begin, int end, int part) {
    keyBegin = begin;
    keyEnd = end;
    this.part = part;
    return this;
  }

  /** At least {@link TileKernel#workspaceBytes}, aligned to 64. */
  public Tile workspace(MemorySegment workspace) {
    this.workspace = workspace;
    return this;
  }

  /** The first row. */
  public int rowBegin() {
    return rowBegin;
  }

  /** The row that ends the range. */
  public int rowEnd() {
    return rowEnd;
  }

  /** The first head. */
  public int headBegin() {
    return headBegin;
  }

  /** The head that ends the range. */
  public int headEnd() {
    return headEnd;
  }

  /** The first cached token. */
  public int keyBegin() {
    return keyBegin;
  }

  /** The cached token that ends the range. */
  public int keyEnd() {
    return keyEnd;
  }

  /** Which part of the results. */
  public int part() {
    return part;
  }

  /** The caller's memory. */
  public MemorySegment workspace() {
    return workspace;
  }

  /** Where a kernel outside of Java leaves the text of a failure: 512 bytes. */
  public MemorySegment error() {
    return error;
  }
}

package io.mla4j.bench;

import io.mla4j.ffi.NativeKernels;
import io.mla4j.spi.AttentionParams;
import io.mla4j.spi.CacheParams;
import io.mla4j.spi.MergeParams;
import io.mla4j.spi.TileKernels;
import io.mla4j.testkit.DelegatingKernels;
import java.lang.foreign.MemorySegment;

/** Attention of somebody else's library; what it need not have, ours. */
final class LibraryKernels extends DelegatingKernels {
  private final NativeKernels theirs;

  LibraryKernels(NativeKernels theirs, TileKernels ours) {
    super(ours);
    this.theirs = theirs;
  }

  @Override
  public String isa() {
    return theirs.isa();
  }

  @Override
  public boolean prefersBf16() {
    return theirs.prefersBf16();
  }

  @Override
  public long attentionWorkspace(AttentionParams params, CacheParams cache, boolean decompressed) {
    return theirs.attentionWorkspace(params, cache, decompressed);
  }

  @Override
  public void attendAbsorbed(
      AttentionParams params,
      CacheParams cacheParams,
      MemorySegment q,
      MemorySegment cache,
      MemorySegment pageTable,
      MemorySegment alibiSlopes,
      int headBegin,
      int headEnd,
      int queryBegin,
      int queryEnd,
      int kvBegin,
      int kvEnd,
      MemorySegment out,
      MemorySegment lse,
      MemorySegment workspace) {
    theirs.attendAbsorbed(
        params,
        cacheParams,
        q,
        cache,
        pageTable,
        alibiSlopes,
        headBegin,
        headEnd,
        queryBegin,
        queryEnd,
        kvBegin,
        kvEnd,
        out,
        lse,
        workspace);
  }

  @Override
  public void attendDecompressed(
      AttentionParams params,
      CacheParams cacheParams,
      MemorySegment q,
      MemorySegment kvB,
      MemorySegment kvBScales,
      MemorySegment cache,
      MemorySegment pageTable,
      MemorySegment alibiSlopes,
      int headBegin,
      int headEnd,
      int queryBegin,
      int queryEnd,
      MemorySegment out,
      MemorySegment lse,
      MemorySegment workspace) {
    theirs.attendDecompressed(
        params,
        cacheParams,
        q,
        kvB,
        kvBScales,
        cache,
        pageTable,
        alibiSlopes,
        headBegin,
        headEnd,
        queryBegin,
        queryEnd,
        out,
        lse,
        workspace);
  }

  /** Sequences that are cut into splits need it. */
  @Override
  public void merge(
      MergeParams params,
      MemorySegment partialOut,
      MemorySegment partialLse,
      int tokenBegin,
      int tokenEnd,
      int headBegin,
      int headEnd,
      MemorySegment out,
      MemorySegment lse) {
    if (theirs.hasMerge()) {
      theirs.merge(
          params, partialOut, partialLse, tokenBegin, tokenEnd, headBegin, headEnd, out, lse);
    } else {
      super.merge(
          params, partialOut, partialLse, tokenBegin, tokenEnd, headBegin, headEnd, out, lse);
    }
  }
}

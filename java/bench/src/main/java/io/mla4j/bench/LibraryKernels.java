package io.mla4j.bench;

import io.mla4j.AttentionCosts;
import io.mla4j.ffi.NativeKernels;
import io.mla4j.ops.Merge;
import io.mla4j.ops.Operation;
import io.mla4j.spi.AttentionTile;
import io.mla4j.spi.Kernels;
import io.mla4j.spi.TileKernel;

/** Attention of somebody else's library; what it need not have, ours. */
record LibraryKernels(NativeKernels theirs, Kernels ours) implements Kernels {
  @Override
  public TileKernel bind(Operation operation) {
    // Sequences that are cut into splits need a merge.
    boolean attention =
        operation instanceof AttentionTile || operation instanceof Merge && theirs.hasMerge();
    return (attention ? theirs : ours).bind(operation);
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
  public AttentionCosts attentionCosts() {
    return ours.attentionCosts();
  }
}

package io.mla4j.bench;

import io.mla4j.AttentionForm;
import io.mla4j.LatentLayout;
import io.mla4j.bench.SparseGrid.Indexer;
import io.mla4j.bench.SparseGrid.Part;
import io.mla4j.cpu.CpuDevice;

/**
 * A row of sparse attention before it has memory.
 *
 * @param attention to all cached tokens, with W_UK and W_UV
 * @param topK tokens that a token attends to, where they are chosen
 */
record SparseSpec(Part part, AttentionSpec attention, Indexer indexer, int topK) {
  /** The layout of the indexer's keys. */
  LatentLayout keys() {
    return new LatentLayout(indexer.width(), 0, attention.cacheType());
  }

  /** Bytes of one layer: latents and the indexer's keys. */
  long layerBytes() {
    return attention.layerBytes()
        + attention.pagesOfSequence() * keys().pageBytes(attention.page());
  }

  /** Why there can be no such row, or null. */
  String impossible(long maxBytes) {
    if (part == Part.CHOSEN && attention.tokens() - attention.queries() < topK) {
      return "it has no more tokens than the " + topK + " that are chosen";
    }
    return attention.impossible(maxBytes);
  }

  /** What one operation does. */
  Work work() {
    int queries = attention.queries();
    long cached = attention.work(AttentionForm.ABSORBED).cacheBytes();
    return switch (part) {
      case DENSE -> attention.work(AttentionForm.ABSORBED);
      case CHOSEN -> {
        long rows = Math.min(attention.tokens(), (long) queries * topK);
        long projected = 2L * queries * attention.heads() * Kind.LATENT * 2 * Kind.HEAD;
        yield new Work(
            Work.absorbedFlop(attention.heads(), (long) queries * topK, Kind.LATENT, Kind.ROPE)
                + projected,
            rows * attention.layout().tokenBytes() + attention.weightBytes(),
            cached);
      }
      case INDEXER -> {
        long pairs = Work.visiblePairs(queries, attention.tokens());
        long bytes = attention.tokens() * keys().tokenBytes();
        // Of each head a product, its positive part, and the weighted sum.
        yield new Work(2L * indexer.heads() * (indexer.width() + 1) * pairs, bytes, bytes);
      }
    };
  }

  Axes axes() {
    String chosen = "top " + topK;
    String shape =
        switch (part) {
          case DENSE -> null;
          case CHOSEN -> chosen;
          case INDEXER -> indexer.heads() + "x" + indexer.width() + ", " + chosen;
        };
    return Axes.of("sparse")
        .on(attention.device())
        .with(Axis.KIND, part)
        .with(Axis.HEADS, part == Part.INDEXER ? null : attention.heads())
        .with(Axis.TOKENS, attention.tokens())
        .with(Axis.S_Q, attention.queries())
        .with(Axis.COMPUTE, part == Part.INDEXER ? "f32" : attention.compute())
        .with(Axis.CACHE_TYPE, attention.cacheType())
        .with(Axis.PAGE, attention.page())
        .with(Axis.RESIDENCY, attention.residency())
        .with(Axis.SHAPE, shape);
  }

  CpuDevice device() {
    return (CpuDevice) attention.device();
  }
}

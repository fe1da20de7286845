package io.mla4j.bench.command;

import io.mla4j.CacheType;
import io.mla4j.bench.Benchmark;
import io.mla4j.bench.Report;
import io.mla4j.bench.SparseGrid;
import io.mla4j.cli.Args;

/** {@code mla4j bench sparse}: attention to chosen tokens, and what the choice costs. */
final class SparseCommand extends Measurement {
  private static final int MAX = 1 << 24;

  private final SparseGrid grid = new SparseGrid();
  private final KernelOptions kernels = KernelOptions.ofProcessor(grid);
  private int indexHeads = SparseGrid.Indexer.V32.heads();
  private int indexWidth = SparseGrid.Indexer.V32.width();

  @Override
  public void declare(Args args) {
    args.description(
        "Sparse attention beside the dense one, as DeepSeek-V3.2's layers decode: dense attends to"
            + " all cached tokens, chosen to some, and indexer scores all and chooses. Each from"
            + " unabsorbed queries to head outputs.");
    super.declare(args);
    kernels.declare(args);
    args.list(
        "--part PART",
        SparseGrid.Part.class,
        v -> grid.parts = v,
        "dense, chosen, indexer; default: all of them.");
    args.list("--heads N", Integer.class, v -> grid.heads = v, "Query heads; default: 16,128.");
    args.list(
        "--tokens N",
        Integer.class,
        v -> grid.tokens = v,
        "Cached tokens; default: 4096,16384,65536.");
    args.list("--s-q N", Integer.class, v -> grid.sQ = v, "New tokens; default: 1.");
    args.one("--top-k N", int.class, v -> grid.topK = v, "Chosen tokens; default: 2048.");
    args.one(
        "--index-heads N", int.class, v -> indexHeads = v, "Heads of the indexer; default: 64.");
    args.one(
        "--index-width N", int.class, v -> indexWidth = v, "Width of its heads; default: 128.");
    args.list(
        "--cache-type TYPE",
        CacheType.class,
        v -> grid.cacheTypes = v,
        CacheType.names() + "; default: bf16.");
    args.one("--page N", int.class, v -> grid.page = v, "Tokens of a page; default: 64.");
  }

  @Override
  Report measure(Benchmark benchmark) {
    kernels.check(this);
    options.ranges("--heads", grid.heads, 1, 1 << 16);
    options.ranges("--tokens", grid.tokens, 1, MAX);
    options.ranges("--s-q", grid.sQ, 1, MAX);
    options.range("--top-k", grid.topK, 1, MAX);
    options.range("--page", grid.page, 1, 1 << 20);
    grid.indexer =
        new SparseGrid.Indexer(
            options.range("--index-heads", indexHeads, 1, 4096),
            options.range("--index-width", indexWidth, 1, 4096));
    kernels.complete(benchmark, options.threads());
    return benchmark.sparse(grid);
  }
}

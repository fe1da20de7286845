package io.mla4j.bench.command;

import io.mla4j.AttentionForm;
import io.mla4j.CacheType;
import io.mla4j.bench.AttentionGrid;
import io.mla4j.bench.Benchmark;
import io.mla4j.bench.CacheTable;
import io.mla4j.bench.Kind;
import io.mla4j.bench.Report;
import io.mla4j.cli.Args;
import java.nio.file.Path;

/** {@code mla4j bench attention}: decode and prefill. */
final class AttentionCommand extends Measurement {
  private static final int MAX = 1 << 24;

  private final AttentionGrid grid = new AttentionGrid();
  private final KernelOptions kernels = new KernelOptions(grid);
  private final ContextOptions contexts = new ContextOptions();

  @Override
  public void declare(Args args) {
    args.description(
        "Attention, decode and prefill: MLA, and MHA, GQA and MQA of the same model width. Options"
            + " with several values take a list: all combinations are measured, in turns.");
    super.declare(args);
    kernels.declare(args);
    args.list(
        "--phase PHASE",
        AttentionGrid.Phase.class,
        v -> grid.phases = v,
        "decode, prefill; default: both.");
    args.list("--kind KIND", Kind.class, v -> grid.kinds = v, "mla, mha, gqa, mqa; default: mla.");
    args.list("--heads N", Integer.class, v -> grid.heads = v, "Query heads; default: 16,128.");
    args.list(
        "--tokens N",
        Integer.class,
        v -> grid.tokens = v,
        "Cached tokens in decode; default: 1024,16384.");
    args.list("--batch N", Integer.class, v -> grid.batches = v, "Sequences; default: 1.");
    args.list("--s-q N", Integer.class, v -> grid.sQ = v, "New tokens in decode; default: 1.");
    args.list(
        "--prefill N",
        Integer.class,
        v -> grid.prefill = v,
        "New tokens in prefill; default: 2048.");
    args.list(
        "--cached N",
        Integer.class,
        v -> grid.cached = v,
        "Tokens that are cached before a prefill; default: 0.");
    args.list(
        "--cache-type TYPE",
        CacheType.class,
        v -> grid.cacheTypes = v,
        CacheType.names() + "; default: bf16.");
    args.list(
        "--form FORM",
        AttentionForm.class,
        v -> grid.forms = v,
        "Form of MLA: absorbed, decompressed, auto. Default: in decode absorbed, over queries"
            + " that are absorbed already; in prefill auto, from unabsorbed queries to head"
            + " outputs.");
    args.list(
        "--residency RESIDENCY",
        AttentionGrid.Residency.class,
        v -> grid.residencies = v,
        "cold: the cache is in memory; warm: where the call before left it." + " Default: cold.");
    args.list("--page N", Integer.class, v -> grid.pages = v, "Tokens of a page; default: 64.");
    args.one(
        "--library FILE",
        Path.class,
        v -> grid.library = v,
        "Also time a library that exports the table of mla.h. Its results are checked: a wrong one"
            + " ends the run; what it lacks or does not support is left out.");
    contexts.declare(args);
  }

  @Override
  CacheTable.Budget budget() {
    return contexts.budget(options);
  }

  @Override
  Report measure(Benchmark benchmark) {
    kernels.check(this);
    options.ranges("--heads", grid.heads, 1, 1 << 16);
    options.ranges("--tokens", grid.tokens, 1, MAX);
    options.ranges("--batch", grid.batches, 1, 1 << 16);
    options.ranges("--s-q", grid.sQ, 1, MAX);
    options.ranges("--prefill", grid.prefill, 1, MAX);
    options.ranges("--cached", grid.cached, 0, MAX);
    options.ranges("--page", grid.pages, 1, 1 << 20);
    kernels.complete(benchmark, options.threads());
    return benchmark.attention(grid);
  }
}

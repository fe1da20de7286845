package io.mla4j.bench;

/** What tells rows apart, in the order of reports. */
public enum Axis {
  /**
   * {@code attention} (decode), {@code prefill}, {@code sparse}, {@code gemm}, {@code gemv}, {@code
   * grouped}, {@code model}, {@code startup}.
   */
  BENCHMARK("benchmark", "benchmark"),
  /**
   * Of attention {@code mla}, {@code mha}, {@code gqa}, {@code mqa}; of sparse attention and of a
   * model what is timed.
   */
  KIND("kind", "kind"),
  /** As users name it. */
  BACKEND("backend", "backend"),
  /** The instruction set, or the name of a GPU. */
  ISA("isa", "isa"),
  /** The file of somebody else's kernels. */
  LIBRARY("library", null),
  /** {@code absorbed} or {@code decompressed}, of MLA; of a model also {@code auto}. */
  FORM("form", "form"),
  /** Query heads. */
  HEADS("heads", "heads", 0),
  /**
   * Cached tokens of a sequence, new ones included; of a generation those that are cached before
   * it; rows of a linear layer.
   */
  TOKENS("tokens", "tokens", 0),
  /** Sequences. */
  BATCH("batch", "batch", 0),
  /** New tokens of a sequence. */
  S_Q("sQ", "s_q", 0),
  /** Threads of an operation. */
  THREADS("threads", "threads", 0),
  /** The type that is computed with. */
  COMPUTE("compute", "compute"),
  /** The type of the cache. */
  CACHE_TYPE("cacheType", "cache"),
  /** Tokens of a page of the cache. */
  PAGE("page", null, 0),
  /**
   * {@code cold}: what is read was last touched at least the whole pool ago; {@code warm}: the same
   * memory every time.
   */
  RESIDENCY("residency", "residency"),
  /** Sizes that the others do not tell. */
  SHAPE("shape", "shape");

  private final String id;
  private final String title;
  private final Object absent;

  Axis(String id, String title) {
    this(id, title, null);
  }

  Axis(String id, String title, Object absent) {
    this.id = id;
    this.title = title;
    this.absent = absent;
  }

  /** Its name in files. */
  String id() {
    return id;
  }

  /** Its name in tables, or null where they leave it out. */
  String title() {
    return title;
  }

  /** Its value where it does not apply: null, or 0 of a count. */
  Object absent() {
    return absent;
  }
}

package io.mla4j.bench;

import io.mla4j.AttentionForm;
import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.LatentLayout;
import io.mla4j.device.Accelerator;
import java.nio.file.Path;
import java.util.Locale;

/**
 * One attention row before it has memory.
 *
 * @param device that computes
 * @param library the file of its kernels where they are not ours, or null
 */
record AttentionSpec(
    AttentionGrid.Phase phase,
    Kind kind,
    Device device,
    Path library,
    Size size,
    Types types,
    AttentionForm form,
    AttentionGrid.Residency residency) {
  /**
   * How large it is.
   *
   * @param tokens of a sequence, the {@code queries} new ones included
   * @param page tokens of a page
   */
  record Size(int heads, int tokens, int batch, int queries, int page) {}

  /** What is computed with, and what is stored. */
  record Types(ComputeType compute, CacheType cache) {}

  /** Of queries and keys of 128 + 64 numbers, as in DeepSeek's models. */
  static final float MLA_SCALE = (float) (1 / Math.sqrt(Kind.HEAD + Kind.ROPE));

  /** Of queries and keys of 128 numbers. */
  static final float KEY_VALUE_SCALE = (float) (1 / Math.sqrt(Kind.HEAD));

  int heads() {
    return size.heads;
  }

  int tokens() {
    return size.tokens;
  }

  int batch() {
    return size.batch;
  }

  int queries() {
    return size.queries;
  }

  int page() {
    return size.page;
  }

  ComputeType compute() {
    return types.compute;
  }

  CacheType cacheType() {
    return types.cache;
  }

  /** Whether queries are given unabsorbed, with W_UK and W_UV. */
  boolean hasWeights() {
    return kind == Kind.MLA
        && (phase == AttentionGrid.Phase.PREFILL || form != AttentionForm.ABSORBED);
  }

  /** Whether memory can bound it: a prefill reads little for what it computes. */
  boolean isBoundByMemory() {
    return phase == AttentionGrid.Phase.DECODE && residency == AttentionGrid.Residency.COLD;
  }

  LatentLayout layout() {
    return kind == Kind.MLA
        ? new LatentLayout(Kind.LATENT, Kind.ROPE, cacheType())
        : new LatentLayout(Kind.HEAD, Kind.HEAD, cacheType());
  }

  long pagesOfSequence() {
    return Math.ceilDiv(tokens(), page());
  }

  /** Why there can be no such row, or null. */
  String impossible(long maxBytes) {
    if (queries() > tokens()) {
      return "its " + queries() + " new tokens are more than the " + tokens() + " that are cached";
    }
    if (heads() % kind.cachedHeads(heads()) != 0) {
      return "its heads are no multiple of the " + kind.cachedHeads(heads()) + " groups";
    }
    return layerBytes() <= maxBytes
        ? null
        : "its cache of one layer is "
            + (layerBytes() >> 20)
            + " MiB, more than --memory "
            + (maxBytes >> 20);
  }

  /** What a person is told about it. */
  String label() {
    return axes(form).label();
  }

  /** Bytes of the pages of one layer. */
  long layerBytes() {
    return kind.cachedHeads(heads()) * pagesOfSequence() * batch() * layout().pageBytes(page());
  }

  /** Bytes of {@code kv_b_proj}: for each head 128 rows of W_UK and of W_UV. */
  long weightBytes() {
    return hasWeights() ? 2L * heads() * 2 * Kind.HEAD * Kind.LATENT : 0;
  }

  /** What one operation does, in the form that was chosen. */
  Work work(AttentionForm chosen) {
    long pairs = Work.visiblePairs(queries(), tokens()) * batch();
    long cached = (long) tokens() * batch();
    long cacheBytes = cached * kind.cachedHeads(heads()) * layout().tokenBytes();
    long flop;
    if (kind != Kind.MLA) {
      flop = Work.keyValueFlop(heads(), pairs, Kind.HEAD, Kind.HEAD);
    } else if (chosen == AttentionForm.DECOMPRESSED) {
      flop =
          Work.decompressedFlop(
              heads(), pairs, cached, Kind.LATENT, Kind.ROPE, Kind.HEAD, Kind.HEAD);
    } else {
      flop = Work.absorbedFlop(heads(), pairs, Kind.LATENT, Kind.ROPE);
      if (hasWeights()) {
        flop += 2L * queries() * batch() * heads() * Kind.LATENT * 2 * Kind.HEAD;
      }
    }
    return new Work(flop, cacheBytes + weightBytes(), cacheBytes);
  }

  Axes axes(AttentionForm chosen) {
    return Axes.of(phase == AttentionGrid.Phase.DECODE ? "attention" : "prefill")
        .on(device)
        .with(
            Axis.ISA, device instanceof Accelerator accelerator ? accelerator.name() : device.isa())
        .with(Axis.KIND, kind)
        .with(Axis.LIBRARY, library == null ? null : library.toString())
        .with(Axis.FORM, kind == Kind.MLA ? chosen : null)
        .with(Axis.HEADS, heads())
        .with(Axis.TOKENS, tokens())
        .with(Axis.BATCH, batch())
        .with(Axis.S_Q, queries())
        .with(Axis.COMPUTE, compute())
        .with(Axis.CACHE_TYPE, cacheType())
        .with(Axis.PAGE, page())
        .with(Axis.RESIDENCY, residency)
        .with(
            Axis.SHAPE,
            hasWeights() && chosen == AttentionForm.ABSORBED ? "with W_UK and W_UV" : null);
  }

  static String lower(Object value) {
    return value.toString().toLowerCase(Locale.ROOT);
  }
}

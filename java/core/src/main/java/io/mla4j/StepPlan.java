package io.mla4j;

import io.mla4j.spi.CacheParams;
import io.mla4j.spi.PagedView;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** A plan over the page tables of sequences. */
final class StepPlan implements PagedView {
  private final LatentCache cache;
  private final List<Sequence> sequences;
  private final int[] firstToken;
  private final int[] kvTokens;
  private final MlaShape shape;

  /** The group of the cache whose rows the shape has. */
  private final int rows;

  private final Runnable requireOpen;
  private final AttentionForm[] forms;
  private final int[] splitLengths;

  /**
   * @param firstToken (sequences + 1) the rows of the step's tensors at which the sequences start,
   *     and their count
   * @param kvTokens (sequences) tokens with the new ones
   * @param requireOpen throws where the pages may no longer belong to the sequences
   * @throws InvalidArgumentException where no group of the cache has rows of the shape
   */
  StepPlan(
      LatentCache cache,
      List<Sequence> sequences,
      int[] firstToken,
      int[] kvTokens,
      MlaShape shape,
      AttentionForm form,
      Runnable requireOpen) {
    if (shape == null || form == null) {
      throw new InvalidArgumentException((shape == null ? "shape" : "form") + " is null");
    }
    rows = rows(cache, shape);
    this.cache = cache;
    this.sequences = sequences;
    this.firstToken = firstToken;
    this.kvTokens = kvTokens;
    this.shape = shape;
    this.requireOpen = requireOpen;
    forms = new AttentionForm[kvTokens.length];
    splitLengths = new int[kvTokens.length];
    for (int i = 0; i < kvTokens.length; i++) {
      int queries = queryTokens(i);
      AttentionForm wanted = form == AttentionForm.AUTO ? sequences.get(i).form() : form;
      forms[i] =
          wanted == AttentionForm.AUTO
              ? CostModel.form(shape, queries, kvTokens[i], cache.device().attentionCosts())
              : wanted;
      splitLengths[i] = CostModel.splitLength(shape.heads(), queries, kvTokens[i]);
    }
  }

  private static int rows(LatentCache cache, MlaShape shape) {
    for (int group = 0; group < cache.groups(); group++) {
      LatentLayout layout = cache.layout(group);
      if (shape.latent() == layout.latent() && shape.rope() == layout.rope()) {
        return group;
      }
    }
    throw new InvalidArgumentException(
        "shape has rows of "
            + shape.latent()
            + " + "
            + shape.rope()
            + " numbers, but the cache of "
            + cache.layout().latent()
            + " + "
            + cache.layout().rope());
  }

  @Override
  public int rows() {
    return rows;
  }

  @Override
  public int tokens() {
    return firstToken[kvTokens.length];
  }

  @Override
  public int sequences() {
    return kvTokens.length;
  }

  @Override
  public int firstToken(int i) {
    return firstToken[i];
  }

  @Override
  public int queryTokens(int i) {
    return firstToken[i + 1] - firstToken[i];
  }

  @Override
  public int kvTokens(int i) {
    return kvTokens[i];
  }

  @Override
  public int announcedTokens(int i) {
    return Math.max(kvTokens[i], sequences.get(i).announced());
  }

  @Override
  public MemorySegment pageTable(int i) {
    return sequences.get(i).pageTable();
  }

  @Override
  public AttentionForm form(int i) {
    return forms[i];
  }

  @Override
  public int splitLength(int i) {
    return splitLengths[i];
  }

  @Override
  public int splitOfChosen(int keys) {
    return CostModel.splitLength(shape.heads(), 1, keys);
  }

  @Override
  public MlaShape shape() {
    return shape;
  }

  @Override
  public Lease acquire() {
    requireOpen.run();
    return cache.acquire();
  }

  @Override
  public CacheParams cacheParams(int group) {
    return cache.group(group).params();
  }

  @Override
  public int groups() {
    return cache.groups();
  }

  @Override
  public int layers(int group) {
    return cache.layers(group);
  }

  @Override
  public LatentLayout layout(int group) {
    return cache.layout(group);
  }

  @Override
  public MemorySegment layerBase(int group, int layer) {
    return cache.group(group).base(layer);
  }

  @Override
  public int stateLayers() {
    return cache.stateLayers();
  }

  @Override
  public StateLayout stateLayout() {
    return cache.stateLayout();
  }

  @Override
  public MemorySegment stateBefore(int i, int layer) {
    return sequences.get(i).states().before(layer, kvTokens[i] - queryTokens(i));
  }

  @Override
  public MemorySegment stateAfter(int i, int layer) {
    return sequences.get(i).states().after(layer);
  }

  @Override
  public void stateWritten(int i, int layer) {
    sequences.get(i).states().written(layer, kvTokens[i]);
  }
}

package io.mla4j;

import io.mla4j.spi.CacheParams;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * New tokens of a batch on their way into the cache: pages are taken, layers append and attend, {@link #commit} makes the tokens part of
 * their sequences. Closing without a commit rolls everything back. Belongs to one thread at a time.
 */
public final class Step implements AutoCloseable {
  private final LatentCache cache;
  private final List<Sequence> sequences;
  private final int[] tokens;
  private final int[] replaced;
  private final int[] firstToken;
  private boolean open = true;

  Step(LatentCache cache, List<Sequence> sequences, int[] tokens, int[] replaced) {
    this.cache = cache;
    this.sequences = sequences;
    this.tokens = tokens;
    this.replaced = replaced;
    this.firstToken = new int[tokens.length + 1];
    for (int i = 0; i < tokens.length; i++) {
      firstToken[i + 1] = firstToken[i] + tokens[i];
    }
  }

  /** New tokens of all sequences. */
  public int tokens() {
    return firstToken[tokens.length];
  }

  /**
   * How to attend: made once, used by every layer of this shape.
   *
   * @param form {@link AttentionForm#AUTO} for the cost model's choice
   * @throws InvalidArgumentException where the shape's row is not the cache's
   * @throws InvalidStateException after commit or close
   */
  public DecodePlan plan(MlaShape shape, AttentionForm form) {
    requireOpen();
    LatentLayout layout = cache.layout();
    if (shape.latent() != layout.latent() || shape.rope() != layout.rope()) {
      throw new InvalidArgumentException(
          "shape has rows of " + shape.latent() + " + " + shape.rope() + " numbers, but the cache of "
              + layout.latent() + " + " + layout.rope());
    }
    AttentionForm[] forms = new AttentionForm[tokens.length];
    int[] splitLengths = new int[tokens.length];
    for (int i = 0; i < tokens.length; i++) {
      int kvTokens = sequences.get(i).length() + tokens[i];
      forms[i] = form == AttentionForm.AUTO ? CostModel.form(shape, tokens[i], kvTokens) : form;
      splitLengths[i] = CostModel.splitLength(tokens[i], kvTokens);
    }
    return new Plan(shape, forms, splitLengths);
  }

  /**
   * Makes the tokens part of their sequences.
   *
   * @throws InvalidStateException after commit or close
   */
  public void commit() {
    synchronized (cache) {
      requireOpen();
      open = false;
      for (int i = 0; i < tokens.length; i++) {
        sequences.get(i).commit(tokens[i], replaced[i]);
      }
    }
  }

  /** Gives the new pages back, unless the step was committed. Closing twice is harmless. */
  @Override
  public void close() {
    synchronized (cache) {
      if (open) {
        open = false;
        for (int i = 0; i < tokens.length; i++) {
          sequences.get(i).rollBack(replaced[i]);
        }
      }
    }
  }

  private void requireOpen() {
    if (!open) {
      throw new InvalidStateException("the step is committed or closed");
    }
  }

  private final class Plan implements DecodePlan {
    private final MlaShape shape;
    private final AttentionForm[] forms;
    private final int[] splitLengths;

    Plan(MlaShape shape, AttentionForm[] forms, int[] splitLengths) {
      this.shape = shape;
      this.forms = forms;
      this.splitLengths = splitLengths;
    }

    @Override
    public int tokens() {
      return firstToken[tokens.length];
    }

    @Override
    public int sequences() {
      return tokens.length;
    }

    @Override
    public int firstToken(int i) {
      return firstToken[i];
    }

    @Override
    public int queryTokens(int i) {
      return tokens[i];
    }

    @Override
    public int kvTokens(int i) {
      return sequences.get(i).length() + tokens[i];
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
    public MlaShape shape() {
      return shape;
    }

    @Override
    public Lease acquire() {
      requireOpen();
      return cache.acquire();
    }

    @Override
    public CacheParams cacheParams() {
      return cache.params();
    }

    @Override
    public int layers() {
      return cache.layers();
    }

    @Override
    public MemorySegment layerBase(int layer) {
      return cache.layerBase(layer);
    }
  }
}

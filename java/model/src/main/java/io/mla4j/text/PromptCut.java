package io.mla4j.text;

import io.mla4j.AttentionForm;
import io.mla4j.model.Decoder;

/**
 * The rule by which a prompt is cut into steps so that its bits do not depend on what was shared,
 * or on what else a step did: its body, whole pages before its last token, goes through the model
 * in steps that may be cut as {@link #endOfStep} says, in the form {@link #formOfBody}; its tail in
 * one step behind that.
 *
 * <p>A token of the body has the same bits wherever the body is cut, where steps are a multiple of
 * {@link #ROWS} tokens in the decompressed form on a CPU: its sums go by positions. Where another
 * form was asked for, pages or chunks are no such multiple, tokens choose what they attend to, keys
 * and values are cached as they are, or a device has memory of its own, the body is cut at every
 * page. Where texts cannot share a beginning, since rotations depend on the length of a text or
 * layers have the state of a recurrence, all whole chunks are the body, and it is cut at every
 * chunk.
 */
public final class PromptCut {
  /** Queries that fill the longest vector: kernels sum those of what is left in another order. */
  private static final int ROWS = 16;

  private final boolean sharable;

  /** Tokens of which bodies are a multiple. */
  private final int unit;

  /** The most tokens of a step. */
  private final int chunk;

  /** Whether steps of bodies end at multiples of the unit alone. */
  private final boolean cutsAtUnits;

  private PromptCut(boolean sharable, int unit, int chunk, boolean cutsAtUnits) {
    this.sharable = sharable;
    this.unit = unit;
    this.chunk = chunk;
    this.cutsAtUnits = cutsAtUnits;
  }

  /** The rule for the texts of a decoder. */
  public static PromptCut of(Decoder decoder) {
    int most = decoder.options().chunk();
    int page = decoder.options().pageSize();
    if (decoder.model().dependsOnLength() || decoder.model().state().isPresent()) {
      return new PromptCut(false, most, most, true);
    }
    boolean cutsAtPages =
        page % ROWS != 0
            || most < ROWS
            || decoder.options().form() == AttentionForm.ABSORBED
            || decoder.model().indexer().isPresent()
            || decoder.model().grouped().isPresent()
            || !decoder.device().hostAccessible();
    return new PromptCut(true, page, cutsAtPages ? most : most / ROWS * ROWS, cutsAtPages);
  }

  /** One that cuts bodies of whole pages, 16 tokens or a multiple, at any multiple of 16 tokens. */
  public static PromptCut anywhere(int pageSize) {
    return new PromptCut(true, pageSize, Integer.MAX_VALUE / ROWS * ROWS, false);
  }

  /** Whether texts may share bodies. */
  public boolean isSharable() {
    return sharable;
  }

  /** Where the body of a prompt ends. */
  public int endOfBody(int tokens) {
    return Math.max(0, tokens - 1) / unit * unit;
  }

  /** Where the step that begins at {@code from} ends, in a body that ends at {@code end}. */
  public int endOfStep(int from, int end) {
    return Math.min(end, from + Math.min(end - from, longest(from)));
  }

  /**
   * As above, for a step of at most {@code budget} tokens: {@code from} where so few are no step.
   */
  public int endOfStep(int from, int end, int budget) {
    int whole = endOfStep(from, end);
    if (whole - from <= budget) {
      return whole;
    }
    return cutsAtUnits ? from : from + budget / ROWS * ROWS;
  }

  private int longest(int from) {
    return cutsAtUnits ? Math.min(chunk, unit - from % unit) : chunk;
  }

  /** The form of a body's steps. */
  public AttentionForm formOfBody() {
    return cutsAtUnits ? AttentionForm.AUTO : AttentionForm.DECOMPRESSED;
  }

  /** Where tokens that are computed once more have to begin for their bits to be the same. */
  int cut(int length) {
    int step = cutsAtUnits ? unit : ROWS;
    return length / step * step;
  }
}

package io.mla4j.ops;

import io.mla4j.DecodePlan;

/**
 * Attention of every token to the cached tokens that were chosen for it alone, as {@link
 * ChooseKeys} leaves them. A sequence of at most topK tokens is attended as a whole, in the form of
 * the plan; of a longer one each token on its own, in the absorbed form whatever the plan says:
 * keys and values that are rebuilt for one token are of no use to another.
 *
 * @param attend all but the choice
 * @param chosen (n, topK) I32, without gaps: positions in rising order, then -1; a token at
 *     position p has min(topK, p + 1) of them
 */
public record AttendChosen(Attend attend, Tensor chosen) implements StepOperation {
  /** Checks types and shapes. */
  public AttendChosen {
    Checks.requireNonNull("attend", attend);
    Checks.requireNonNull("chosen", chosen);
    Checks.require("chosen", chosen, StorageFormat.I32, attend.q().dim(0), chosen.dim(1));
    Checks.requireNonEmpty("chosen", chosen, 1);
    Checks.requireDense("chosen", chosen);
  }

  @Override
  public int layer() {
    return attend.layer();
  }

  @Override
  public void requireFits(DecodePlan plan) {
    attend.requireFits(plan);
  }
}

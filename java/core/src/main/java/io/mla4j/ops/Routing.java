package io.mla4j.ops;

import io.mla4j.InvalidArgumentException;

/**
 * How a mixture-of-experts layer chooses experts (DeepSeek-V2 section 2.2, DeepSeek-V3 section
 * 2.1.2).
 *
 * <p>s = score(logits); b = s + bias; groups are ranked by their group score over b, experts of the
 * others are masked; the top k of b are chosen; their weights are s, divided by their sum + 1e-20
 * where {@code renormalize}, times {@code scale}.
 *
 * @param experts routed experts
 * @param topK experts chosen for a token
 * @param score what logits become
 * @param groups groups of equal size; 1 for none
 * @param keptGroups groups that stay
 * @param groupScore how groups are ranked
 * @param groupMask what experts of the other groups count as
 * @param renormalize whether the weights of a token are divided by their sum
 * @param scale multiplies the weights at the end
 */
public record Routing(
    int experts,
    int topK,
    Score score,
    int groups,
    int keptGroups,
    GroupScore groupScore,
    GroupMask groupMask,
    boolean renormalize,
    float scale) {
  /** The function of the router's logits. */
  public enum Score {
    /** exp(x) / sum over all experts. */
    SOFTMAX,
    /** 1 / (1 + exp(-x)). */
    SIGMOID
  }

  /** The rank of a group. */
  public enum GroupScore {
    /** Its largest score + bias. */
    MAX,
    /** The sum of its two largest. */
    TOP2_SUM
  }

  /** What experts of groups that are not kept count as. */
  public enum GroupMask {
    /** Never chosen. */
    NEGATIVE_INFINITY,
    /** Score + bias of 0. */
    ZERO
  }

  /**
   * Checks that the counts fit together.
   *
   * @throws InvalidArgumentException naming the component that does not
   */
  public Routing {
    if (experts < 1) {
      throw new InvalidArgumentException("experts is " + experts + ", but must be at least 1");
    }
    if (topK < 1 || topK > experts) {
      throw new InvalidArgumentException("topK is " + topK + ", but must be in 1.." + experts);
    }
    if (groups < 1 || experts % groups != 0) {
      throw new InvalidArgumentException(
          "groups is " + groups + ", but must divide the " + experts + " experts");
    }
    if (keptGroups < 1 || keptGroups > groups) {
      throw new InvalidArgumentException(
          "keptGroups is " + keptGroups + ", but must be in 1.." + groups);
    }
    if (topK > keptGroups * (experts / groups)) {
      throw new InvalidArgumentException(
          "topK is "
              + topK
              + ", but the kept groups have only "
              + keptGroups * (experts / groups)
              + " experts");
    }
    if (groups > 1 && groupScore == GroupScore.TOP2_SUM && experts / groups < 2) {
      throw new InvalidArgumentException(
          "groups is " + groups + ", but a group needs at least 2 of the " + experts + " experts");
    }
  }
}

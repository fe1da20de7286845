package io.mla4j.ops;

import org.jspecify.annotations.Nullable;

/**
 * The choice of experts, as {@link Routing} says, for every token.
 *
 * @param logits (n, experts) F32
 * @param bias (experts) F32, for the choice only, or null
 * @param experts (n, topK) I32, without gaps: those chosen, in order of falling score + bias, equal
 *     ones by rising index
 * @param weights (n, topK) F32, without gaps: their scores, renormalised and scaled
 */
public record Route(
    Routing routing, Tensor logits, @Nullable Tensor bias, Tensor experts, Tensor weights)
    implements RowOperation {
  /** Checks types and shapes. */
  public Route {
    Checks.requireNonNull("routing", routing);
    Checks.requireFloats("logits", logits, 2);
    Checks.require("logits", logits, StorageFormat.F32, logits.dim(0), routing.experts());
    if (bias != null) {
      Checks.require("bias", bias, StorageFormat.F32, routing.experts());
    }
    Checks.requireOutput("experts", experts, StorageFormat.I32, logits.dim(0), routing.topK());
    Checks.requireOutput("weights", weights, StorageFormat.F32, logits.dim(0), routing.topK());
    Checks.requireDense("experts", experts);
    Checks.requireDense("weights", weights);
  }

  @Override
  public int rows() {
    return (int) logits.dim(0);
  }

  @Override
  public long rowElements() {
    return routing.experts();
  }

  @Override
  public void compute(int begin, int end) {
    int n = routing.experts();
    int topK = routing.topK();
    Scratch scratch = Scratch.ofThread();
    float[] score = scratch.floats(0, n);
    float[] choice = scratch.floats(1, n);
    float[] group = scratch.floats(2, routing.groups());
    float[] biases = scratch.floats(3, n);
    if (bias != null) {
      Floats.read(bias.segment(), 0, biases, 0, n);
    }
    for (int t = begin; t < end; t++) {
      Floats.read(logits.segment(), t * logits.stride(0), score, 0, n);
      score(score);
      for (int e = 0; e < n; e++) {
        choice[e] = bias == null ? score[e] : score[e] + biases[e];
      }
      if (routing.groups() > 1) {
        maskGroups(choice, group);
      }
      float sum = 0;
      long first = (long) t * topK;
      for (int j = 0; j < topK; j++) {
        int best = largest(choice, 0, n);
        choice[best] = Float.NaN;
        Floats.setInt(experts.segment(), first + j, best);
        Floats.set(weights.segment(), first + j, score[best]);
        sum += score[best];
      }
      float divisor = routing.renormalize() ? sum + 1e-20f : 1;
      for (int j = 0; j < topK; j++) {
        float weight = Floats.get(weights.segment(), first + j) / divisor * routing.scale();
        Floats.set(weights.segment(), first + j, weight);
      }
    }
  }

  private void score(float[] x) {
    if (routing.score() == Routing.Score.SIGMOID) {
      for (int e = 0; e < routing.experts(); e++) {
        x[e] = 1 / (1 + Floats.exp(-x[e]));
      }
      return;
    }
    float max = Float.NEGATIVE_INFINITY;
    for (int e = 0; e < routing.experts(); e++) {
      max = Math.max(max, x[e]);
    }
    float sum = 0;
    for (int e = 0; e < routing.experts(); e++) {
      x[e] = Floats.exp(x[e] - max);
      sum += x[e];
    }
    for (int e = 0; e < routing.experts(); e++) {
      x[e] /= sum;
    }
  }

  private void maskGroups(float[] choice, float[] group) {
    int size = routing.experts() / routing.groups();
    for (int g = 0; g < routing.groups(); g++) {
      int first = largest(choice, g * size, (g + 1) * size);
      group[g] = choice[first];
      if (routing.groupScore() == Routing.GroupScore.TOP2_SUM) {
        float kept = choice[first];
        choice[first] = Float.NaN;
        group[g] += choice[largest(choice, g * size, (g + 1) * size)];
        choice[first] = kept;
      }
    }
    for (int i = 0; i < routing.keptGroups(); i++) {
      group[largest(group, 0, routing.groups())] = Float.NaN;
    }
    float masked = routing.groupMask() == Routing.GroupMask.ZERO ? 0 : Float.NEGATIVE_INFINITY;
    for (int e = 0; e < routing.experts(); e++) {
      if (!Float.isNaN(group[e / size])) {
        choice[e] = masked;
      }
    }
  }

  /** The first index of the largest number; NaN marks what is taken. */
  private static int largest(float[] x, int begin, int end) {
    int best = -1;
    for (int i = begin; i < end; i++) {
      if (!Float.isNaN(x[i]) && (best < 0 || x[i] > x[best])) {
        best = i;
      }
    }
    return best < 0 ? begin : best;
  }
}

package io.mla4j.cpu;

import io.mla4j.ops.Routing;
import io.mla4j.spi.RouteParams;
import java.lang.foreign.MemorySegment;

/** The choice of experts, as {@link Routing} says; used by every kernel in Java. */
final class Router {
  private Router() {}

  static void route(
      RouteParams p,
      MemorySegment logits,
      MemorySegment bias,
      int tokenBegin,
      int tokenEnd,
      MemorySegment expertsOut,
      MemorySegment weightsOut) {
    Routing r = p.routing();
    Scratch scratch = Scratch.ofThread();
    float[] score = scratch.floats(0, r.experts());
    float[] choice = scratch.floats(1, r.experts());
    float[] group = scratch.floats(2, r.groups());
    float[] biases = scratch.floats(3, r.experts());
    boolean biased = !ScalarKernels.isNull(bias);
    if (biased) {
      Stored.readFloats(bias, 0, biases, 0, r.experts());
    }
    for (int t = tokenBegin; t < tokenEnd; t++) {
      Stored.readFloats(logits, t * p.logitsStride(), score, 0, r.experts());
      score(r, score);
      for (int e = 0; e < r.experts(); e++) {
        choice[e] = biased ? score[e] + biases[e] : score[e];
      }
      if (r.groups() > 1) {
        maskGroups(r, choice, group);
      }
      float sum = 0;
      for (int j = 0; j < r.topK(); j++) {
        int best = largest(choice, 0, r.experts());
        choice[best] = Float.NaN;
        Stored.writeInt(expertsOut, (long) t * r.topK() + j, best);
        Stored.writeFloat(weightsOut, (long) t * r.topK() + j, score[best]);
        sum += score[best];
      }
      float divisor = r.renormalize() ? sum + 1e-20f : 1;
      for (int j = 0; j < r.topK(); j++) {
        long at = (long) t * r.topK() + j;
        Stored.writeFloat(weightsOut, at, Stored.readFloat(weightsOut, at) / divisor * r.scale());
      }
    }
  }

  private static void score(Routing r, float[] x) {
    if (r.score() == Routing.Score.SIGMOID) {
      for (int e = 0; e < r.experts(); e++) {
        x[e] = 1 / (1 + ScalarLoops.exp(-x[e]));
      }
      return;
    }
    float max = Float.NEGATIVE_INFINITY;
    for (int e = 0; e < r.experts(); e++) {
      max = Math.max(max, x[e]);
    }
    float sum = 0;
    for (int e = 0; e < r.experts(); e++) {
      x[e] = ScalarLoops.exp(x[e] - max);
      sum += x[e];
    }
    for (int e = 0; e < r.experts(); e++) {
      x[e] /= sum;
    }
  }

  private static void maskGroups(Routing r, float[] choice, float[] group) {
    int size = r.experts() / r.groups();
    for (int g = 0; g < r.groups(); g++) {
      int first = largest(choice, g * size, (g + 1) * size);
      group[g] = choice[first];
      if (r.groupScore() == Routing.GroupScore.TOP2_SUM) {
        float kept = choice[first];
        choice[first] = Float.NaN;
        group[g] += choice[largest(choice, g * size, (g + 1) * size)];
        choice[first] = kept;
      }
    }
    for (int i = 0; i < r.keptGroups(); i++) {
      group[largest(group, 0, r.groups())] = Float.NaN;
    }
    float masked = r.groupMask() == Routing.GroupMask.ZERO ? 0 : Float.NEGATIVE_INFINITY;
    for (int e = 0; e < r.experts(); e++) {
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

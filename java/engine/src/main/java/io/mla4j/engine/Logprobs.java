package io.mla4j.engine;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** Logarithms of probabilities. Belongs to the loop. */
final class Logprobs {
  private Logprobs() {}

  /**
   * Of a token, and of the likeliest ones.
   *
   * @param logits (vocabulary) F32
   * @param count how many of the likeliest
   */
  static TokenLogprob of(MemorySegment logits, int id, int count) {
    int vocabulary = (int) (logits.byteSize() / Float.BYTES);
    float largest = Float.NEGATIVE_INFINITY;
    for (int i = 0; i < vocabulary; i++) {
      largest = Math.max(largest, logits.getAtIndex(JAVA_FLOAT, i));
    }
    double sum = 0;
    for (int i = 0; i < vocabulary; i++) {
      sum += Math.exp((double) logits.getAtIndex(JAVA_FLOAT, i) - largest);
    }
    double all = largest + Math.log(sum);
    List<TokenLogprob.Top> top = new ArrayList<>();
    for (int best : likeliest(logits, vocabulary, Math.min(count, vocabulary))) {
      top.add(new TokenLogprob.Top(best, of(logits, best, all)));
    }
    return new TokenLogprob(of(logits, id, all), top);
  }

  private static float of(MemorySegment logits, int id, double all) {
    return (float) (logits.getAtIndex(JAVA_FLOAT, id) - all);
  }

  /** Ids in the order of their logits; of equal ones the lower id first. */
  private static int[] likeliest(MemorySegment logits, int vocabulary, int count) {
    int[] ids = new int[count];
    int filled = 0;
    for (int id = 0; id < vocabulary && count > 0; id++) {
      float logit = logits.getAtIndex(JAVA_FLOAT, id);
      if (filled == count && logit <= logits.getAtIndex(JAVA_FLOAT, ids[count - 1])) {
        continue;
      }
      int at = filled < count ? filled++ : count - 1;
      while (at > 0 && logits.getAtIndex(JAVA_FLOAT, ids[at - 1]) < logit) {
        ids[at] = ids[at - 1];
        at--;
      }
      ids[at] = id;
    }
    return ids;
  }
}

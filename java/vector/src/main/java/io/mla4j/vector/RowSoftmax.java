package io.mla4j.vector;

import static io.mla4j.vector.Lanes.F;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * Online softmax (Milakov and Gimelshein 2018) of query rows in lanes: for each slot the largest
 * score so far, the sum of the weights, and what earlier sums are multiplied with.
 */
final class RowSoftmax {
  float[] m;
  float scale;
  private int slots;
  int maxima;
  int denominators;
  int corrections;

  /** ALiBi slopes. */
  int slopes;

  int positions;

  /** How many tokens a row sees, counted from the first: 0 in slots without a row. */
  int visible;

  /** Takes its place in the slab from {@code at} on: where the next region begins. */
  int place(int at, int slots) {
    this.slots = slots;
    maxima = at;
    denominators = Slab.after(maxima, slots);
    corrections = Slab.after(denominators, slots);
    slopes = Slab.after(corrections, slots);
    positions = Slab.after(slopes, slots);
    visible = Slab.after(positions, slots);
    return Slab.after(visible, slots);
  }

  /** Forgets all rows and keys. */
  void start(float[] m, float scale) {
    this.m = m;
    this.scale = scale;
    Arrays.fill(m, maxima, maxima + slots, Float.NEGATIVE_INFINITY);
    Arrays.fill(m, denominators, visible + slots, 0);
  }

  void setRow(int slot, float slope, int position, int visibleTokens) {
    m[slopes + slot] = slope;
    m[positions + slot] = position;
    m[visible + slot] = visibleTokens;
  }

  /** How many tokens the row sees that sees most of so many rows. */
  int mostVisible(int slot, int rows) {
    float most = 0;
    for (int r = 0; r < rows; r++) {
      most = Math.max(most, m[visible + slot + r]);
    }
    return (int) most;
  }

  /** How many tokens the row sees that sees least of so many rows. */
  int leastVisible(int slot, int rows) {
    float least = m[visible + slot];
    for (int r = 1; r < rows; r++) {
      least = Math.min(least, m[visible + slot + r]);
    }
    return (int) least;
  }

  /**
   * Makes weights of the scores (tokens, lanes) of one vector of rows.
   *
   * <p>In steps that hand their vectors over in memory: in one method as large as all of them, C2
   * gives up inlining and boxes a vector for each token.
   *
   * @param masked whether a row may see fewer than all tokens: weight 0 for the others
   */
  void weigh(int slot, int scores, int lanes, int s, int tokens, boolean masked) {
    if (masked) {
      scaleVisible(slot, scores, lanes, s, tokens);
      correct(slot);
      exponentiateVisible(slot, scores, lanes, s, tokens);
    } else {
      scaleAll(slot, scores, lanes, s, tokens);
      correct(slot);
      exponentiateAll(slot, scores, lanes, tokens);
    }
  }

  /** The scaled scores and their maxima; the maxima of before where corrections will be. */
  private void scaleAll(int slot, int scores, int lanes, int s, int tokens) {
    FloatVector factor = FloatVector.broadcast(F, scale);
    FloatVector slope = FloatVector.fromArray(F, m, slopes + slot);
    FloatVector distance = FloatVector.fromArray(F, m, positions + slot).sub(s);
    FloatVector max = FloatVector.fromArray(F, m, maxima + slot);
    max.intoArray(m, corrections + slot);
    for (int t = 0; t < tokens; t++) {
      int at = scores + t * lanes;
      FloatVector score =
          FloatVector.fromArray(F, m, at).mul(factor).sub(slope.mul(distance.sub(t)));
      score.intoArray(m, at);
      max = max.blend(score, score.compare(VectorOperators.GT, max));
    }
    max.intoArray(m, maxima + slot);
  }

  /** Relates what was summed before to the new maxima. */
  private void correct(int slot) {
    FloatVector max = finite(FloatVector.fromArray(F, m, maxima + slot));
    Lanes.exp(FloatVector.fromArray(F, m, corrections + slot).sub(max))
        .intoArray(m, corrections + slot);
    FloatVector.fromArray(F, m, denominators + slot)
        .mul(FloatVector.fromArray(F, m, corrections + slot))
        .intoArray(m, denominators + slot);
  }

  /** The weights and their sums. */
  private void exponentiateAll(int slot, int scores, int lanes, int tokens) {
    FloatVector max = FloatVector.fromArray(F, m, maxima + slot);
    FloatVector sum = FloatVector.zero(F); // small terms would drown in the sum of a long text
    for (int t = 0; t < tokens; t++) {
      int at = scores + t * lanes;
      FloatVector p = Lanes.exp(FloatVector.fromArray(F, m, at).sub(max));
      sum = sum.add(p);
      p.intoArray(m, at);
    }
    FloatVector.fromArray(F, m, denominators + slot).add(sum).intoArray(m, denominators + slot);
  }

  /** As {@link #scaleAll} where a row sees only its first tokens, which may be none. */
  private void scaleVisible(int slot, int scores, int lanes, int s, int tokens) {
    FloatVector factor = FloatVector.broadcast(F, scale);
    FloatVector slope = FloatVector.fromArray(F, m, slopes + slot);
    FloatVector distance = FloatVector.fromArray(F, m, positions + slot).sub(s);
    FloatVector seen = FloatVector.fromArray(F, m, visible + slot).sub(s);
    FloatVector max = FloatVector.fromArray(F, m, maxima + slot);
    max.intoArray(m, corrections + slot);
    for (int t = 0; t < tokens; t++) {
      int at = scores + t * lanes;
      FloatVector score =
          FloatVector.fromArray(F, m, at).mul(factor).sub(slope.mul(distance.sub(t)));
      score.intoArray(m, at);
      VectorMask<Float> larger =
          score.compare(VectorOperators.GT, max).and(seen.compare(VectorOperators.GT, (float) t));
      max = max.blend(score, larger);
    }
    max.intoArray(m, maxima + slot);
  }

  private void exponentiateVisible(int slot, int scores, int lanes, int s, int tokens) {
    FloatVector seen = FloatVector.fromArray(F, m, visible + slot).sub(s);
    FloatVector max = finite(FloatVector.fromArray(F, m, maxima + slot));
    FloatVector sum = FloatVector.zero(F);
    for (int t = 0; t < tokens; t++) {
      int at = scores + t * lanes;
      FloatVector p =
          Lanes.exp(FloatVector.fromArray(F, m, at).sub(max))
              .blend(0f, seen.compare(VectorOperators.LE, (float) t));
      sum = sum.add(p);
      p.intoArray(m, at);
    }
    FloatVector.fromArray(F, m, denominators + slot).add(sum).intoArray(m, denominators + slot);
  }

  /** 0 where a row has seen nothing yet. */
  private static FloatVector finite(FloatVector max) {
    return max.blend(0f, max.compare(VectorOperators.EQ, Float.NEGATIVE_INFINITY));
  }

  /** What the weighted sum of a row is multiplied with in the end. */
  float factor(int slot) {
    float sum = m[denominators + slot];
    return sum == 0 ? 0 : 1 / sum;
  }

  /** The natural logarithm of the sum of exponentials. */
  float logSum(int slot) {
    return m[maxima + slot] + (float) Math.log(m[denominators + slot]);
  }
}

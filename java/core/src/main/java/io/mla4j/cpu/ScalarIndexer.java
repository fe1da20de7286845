package io.mla4j.cpu;

import io.mla4j.ops.Floats;
import io.mla4j.ops.Scratch;
import io.mla4j.spi.ChoiceTile;
import io.mla4j.spi.ScoreTile;
import io.mla4j.spi.Tile;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** Scores of keys, and the choice of the largest. */
final class ScalarIndexer {
  /** Tokens whose keys are widened at once. */
  private static final int BLOCK = 64;

  /** Bits of a digit of a score, which is taken as a number of three digits. */
  private static final int[] DIGITS = {11, 11, 10};

  private static final ThreadLocal<int[]> COUNTS = ThreadLocal.withInitial(() -> new int[1 << 11]);

  private ScalarIndexer() {}

  static void score(ScoreTile s, Tile tile) {
    int width = s.width();
    Scratch scratch = Scratch.ofThread();
    float[] keys = scratch.floats(0, BLOCK * width);
    float[] q = scratch.floats(1, s.heads() * width);
    float[] weights = scratch.floats(2, s.heads());
    for (int t = tile.rowBegin(); t < tile.rowEnd(); t++) {
      for (int j = 0; j < s.heads(); j++) {
        long from = t * s.qTokenStride() + j * s.qHeadStride();
        Floats.read(s.q(), from, q, j * width, width);
      }
      Floats.read(s.weights(), t * s.weightStride(), weights, 0, s.heads());
      int last = Math.min(tile.keyEnd(), s.visible(t));
      for (int begin = tile.keyBegin(); begin < last; begin += BLOCK) {
        int end = Math.min(begin + BLOCK, last);
        Stored.widenRows(s.cache(), s.pages(), s.pageTable(), begin, end, false, keys);
        for (int key = begin; key < end; key++) {
          float sum = 0;
          for (int j = 0; j < s.heads(); j++) {
            float dot = Floats.dot(q, j * width, keys, (key - begin) * width, width);
            sum += weights[j] * Math.max(dot, 0);
          }
          Floats.set(s.scores(), t * s.scoreStride() + key, sum);
        }
      }
    }
  }

  static void choose(ChoiceTile c, Tile tile) {
    for (int i = tile.rowBegin(); i < tile.rowEnd(); i++) {
      long to = (long) i * c.topK();
      int count = c.count(i);
      int n = 0;
      if (count <= c.topK()) {
        for (; n < count; n++) {
          Floats.setInt(c.chosen(), to + n, n);
        }
      } else {
        long from = i * c.scoreStride();
        choose(c.scores(), from, count, c.chosen(), to, c.topK());
        n = c.topK();
      }
      for (; n < c.topK(); n++) {
        Floats.setInt(c.chosen(), to + n, -1);
      }
    }
  }

  /**
   * The k-th largest score is found digit by digit, the highest first: how many scores share the
   * digits that are known says what the next one is.
   */
  private static void choose(
      MemorySegment scores, long from, int n, MemorySegment chosen, long to, int k) {
    int[] counts = COUNTS.get();
    int known = 0; // the digits so far
    int shift = Integer.SIZE;
    int left = k; // chosen among those that share them
    for (int bits : DIGITS) {
      Arrays.fill(counts, 0);
      int above = shift;
      shift -= bits;
      for (int s = 0; s < n; s++) {
        int key = key(Floats.get(scores, from + s));
        if (above == Integer.SIZE || key >>> above == known) {
          counts[key >>> shift & (1 << bits) - 1]++;
        }
      }
      int digit = (1 << bits) - 1;
      for (; counts[digit] < left; digit--) {
        left -= counts[digit];
      }
      known = known << bits | digit;
    }
    int written = 0;
    for (int s = 0; written < k; s++) {
      int order = Integer.compareUnsigned(key(Floats.get(scores, from + s)), known);
      if (order > 0 || order == 0 && left-- > 0) {
        Floats.setInt(chosen, to + written++, s);
      }
    }
  }

  /** A number without sign that is the larger the larger the score; 0 and -0 are equal. */
  private static int key(float score) {
    if (Float.isNaN(score)) {
      return 0;
    }
    int bits = Float.floatToRawIntBits(score + 0f);
    return bits ^ (bits >> 31 | Integer.MIN_VALUE);
  }
}

package io.mla4j.text;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import io.mla4j.InvalidArgumentException;
import io.mla4j.Mla4jException;
import io.mla4j.model.Largest;
import io.mla4j.text.SamplingOptions.Penalties;
import java.lang.foreign.MemorySegment;
import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * Chooses tokens from logits as {@link SamplingOptions} says.
 *
 * <p>Deterministic: the same options and logits give the same tokens. Of equal logits the lower id
 * counts as larger. After the first token nothing of the vocabulary's size is allocated. Belongs to
 * one thread.
 */
public final class Sampler {
  private static final float MOST = Float.MAX_VALUE;

  /** So many tokens are ranked one by one. */
  private static final int FEW = 128;

  /** The smallest factor on logits, and the inverse of the largest. */
  private static final double SMALLEST = 1e-30;

  /** Weights below e to the power of this one are as good as 0. */
  private static final float LEAST_EXPONENT = -87;

  /** A number that is added and taken away again to round to whole numbers: 1.5 times 2^23. */
  private static final float ROUNDER = 12582912f;

  private static final int ROUNDED_ZERO = Float.floatToRawIntBits(ROUNDER);

  private final SamplingOptions options;
  private final SplittableRandom random;
  private final BitSet occurred = new BitSet();

  /** How often tokens were chosen here; null where no penalty asks for it. */
  private final @Nullable Map<Integer, Integer> chosen;

  private final Scratch scratch;

  /** Of the scratch. */
  private float[] scores;

  private float[] weights;
  private long[] candidates;

  /** The largest score. */
  private float largest;

  /** Of all weights. */
  private double total;

  private int count;
  private int heapSize;

  /** What samplers need for the time of a choice: those of one thread may share it. */
  public static final class Scratch {
    private final Largest largest = new Largest();

    /** Logits with penalties and biases. */
    private float[] scores = new float[0];

    /** Probabilities relative to the likeliest token's. */
    private float[] weights = new float[0];

    /**
     * Keys of the tokens that may be drawn, smallest key best: a heap, then those taken from it,
     * the best last.
     */
    private long[] candidates = new long[0];

    /** One that grows as it is needed. */
    public Scratch() {}
  }

  /** A sampler at the start of its sequence of random numbers. */
  public Sampler(SamplingOptions options) {
    this(options, new Scratch());
  }

  /** As above, which shares {@code scratch} with others of its thread. */
  public Sampler(SamplingOptions options, Scratch scratch) {
    this.options = options;
    this.scratch = scratch;
    this.scores = scratch.scores;
    this.weights = scratch.weights;
    this.candidates = scratch.candidates;
    this.random = new SplittableRandom(options.seed());
    Penalties penalties = options.penalties();
    this.chosen = penalties.presence() == 0 && penalties.frequency() == 0 ? null : new HashMap<>();
  }

  /** Tells of a token that occurred without being chosen here: one of the prompt. */
  public void observe(int id) {
    occurred.set(id);
  }

  /**
   * Chooses a token and remembers that it occurred.
   *
   * @param logits (vocabulary) F32, contiguous; not changed
   * @throws Mla4jException where a logit is NaN or infinite
   */
  public int next(MemorySegment logits) {
    return next(logits, null);
  }

  /**
   * As above, among some tokens.
   *
   * @param allowed bit {@code id % 64} of {@code allowed[id / 64]}: whether the token may be
   *     chosen; null for all
   * @throws Mla4jException where a logit is NaN or infinite, or no token is allowed
   */
  public int next(MemorySegment logits, long @Nullable [] allowed) {
    requireVocabulary(logits);
    int likeliest = scratch.largest.of(logits);
    int id = likeliest;
    if (options.temperature() != 0 || allowed != null || !options.takesLogitsAsTheyAre()) {
      read(logits, likeliest, allowed);
      id = options.temperature() == 0 ? indexOfLargest() : sample();
    }
    occurred.set(id);
    if (chosen != null) {
      chosen.merge(id, 1, Integer::sum);
    }
    return id;
  }

  private static void requireVocabulary(MemorySegment logits) {
    long size = logits.byteSize() / Float.BYTES;
    if (size < 1 || size > Integer.MAX_VALUE - 8) {
      throw new InvalidArgumentException(
          "logits has " + size + " numbers, but must have one for each token of a vocabulary");
    }
  }

  /** Copies the logits with penalties and biases, those of tokens that are not allowed as -oo. */
  private void read(MemorySegment logits, int likeliest, long @Nullable [] allowed) {
    prepare((int) (logits.byteSize() / Float.BYTES));
    MemorySegment.copy(logits, JAVA_FLOAT_UNALIGNED, 0, scores, 0, scores.length);
    largest = scores[likeliest];
    if (!options.takesLogitsAsTheyAre()) {
      penalise();
    }
    if (allowed != null) {
      exclude(allowed);
    }
    if (allowed != null || !options.takesLogitsAsTheyAre()) {
      largest = Float.NEGATIVE_INFINITY;
      for (float score : scores) {
        if (score > largest) {
          largest = score;
        }
      }
    }
    if (largest == Float.NEGATIVE_INFINITY) {
      throw new Mla4jException("no token is allowed to follow");
    }
  }

  private void penalise() {
    float repetition = Math.clamp((float) options.penalties().repetition(), Float.MIN_VALUE, MOST);
    if (repetition != 1) {
      for (int id = occurred.nextSetBit(0);
          id >= 0 && id < scores.length;
          id = occurred.nextSetBit(id + 1)) {
        set(id, scores[id] > 0 ? scores[id] / repetition : scores[id] * repetition);
      }
    }
    if (chosen != null) {
      chosen.forEach(
          (id, times) ->
              add(id, -options.penalties().presence() - times * options.penalties().frequency()));
    }
    options.logitBias().forEach(this::add);
  }

  private void add(int id, double bias) {
    if (id < scores.length) {
      set(id, (float) (scores[id] + bias));
    }
  }

  /** However strong a penalty, a score stays a number. */
  private void set(int id, float score) {
    scores[id] = Math.clamp(score, -MOST, MOST);
  }

  private void exclude(long[] allowed) {
    for (int begin = 0; begin < scores.length; begin += Long.SIZE) {
      int word = begin / Long.SIZE;
      long bits = word < allowed.length ? allowed[word] : 0;
      int end = Math.min(scores.length, begin + Long.SIZE);
      for (int id = begin; bits != -1 && id < end; id++, bits = bits >> 1) {
        if ((bits & 1) == 0) {
          scores[id] = Float.NEGATIVE_INFINITY;
        }
      }
    }
  }

  private void prepare(int size) {
    if (scratch.scores.length != size) {
      scratch.scores = new float[size];
    }
    scores = scratch.scores;
    if (options.temperature() > 0) {
      if (scratch.weights.length != size) {
        scratch.weights = new float[size];
        scratch.candidates = new long[size];
      }
      weights = scratch.weights;
      candidates = scratch.candidates;
    }
  }

  private int indexOfLargest() {
    int id = 0;
    while (scores[id] != largest) {
      id++;
    }
    return id;
  }

  private int sample() {
    boolean ranked = options.topK() > 0 && options.topK() < scores.length;
    if (!ranked || options.topK() > FEW) {
      weigh();
    }
    if (!ranked && options.topP() == 1) {
      return options.minP() == 0 ? drawAny() : drawLikely();
    }
    if (ranked) {
      rank(options.topK());
      int limit = Math.min(options.topK(), count);
      double ofBest = 0;
      for (int i = 0; i < limit; i++) {
        ofBest += weights[best(i)];
      }
      return drawBest(limit, options.topP() * ofBest);
    }
    // tokens below (1 - topP) / vocabulary have less than 1 - topP together: those above reach
    // topP without them
    double certain = (1 - options.topP()) / scores.length * total;
    collect(Math.min(1, Math.max(options.minP(), certain)));
    heapify();
    return drawBest(count, options.topP() * total);
  }

  /** Draws among all tokens. */
  private int drawAny() {
    double left = random.nextDouble() * total;
    int last = -1;
    for (int id = 0; id < scores.length; id++) {
      if (scores[id] != Float.NEGATIVE_INFINITY) {
        last = id;
        left -= weights[id];
        if (left < 0) {
          return id;
        }
      }
    }
    return last;
  }

  /** Draws among the tokens that are likely enough. */
  private int drawLikely() {
    collect(options.minP());
    double sum = 0;
    for (int i = 0; i < count; i++) {
      sum += weights[id(i)];
    }
    double left = random.nextDouble() * sum;
    int at = 0;
    while (at < count - 1 && (left -= weights[id(at)]) >= 0) {
      at++;
    }
    return id(at);
  }

  /** Draws among the best tokens up to the one with which their weights reach {@code wanted}. */
  private int drawBest(int limit, double wanted) {
    double reached = 0;
    int kept = 0;
    while (kept < limit
        && (reached < wanted || options.topP() == 1)
        && weights[best(kept)] >= options.minP()) {
      reached += weights[best(kept++)];
    }
    double left = random.nextDouble() * reached;
    int at = 0;
    while (at < kept - 1 && (left -= weights[best(at)]) >= 0) {
      at++;
    }
    return best(at);
  }

  /** Every token's probability relative to the likeliest one's, and their sum. */
  private void weigh() {
    float sharpness = sharpness();
    for (int id = 0; id < scores.length; id++) {
      weights[id] = weight(scores[id], sharpness);
    }
    double even = 0;
    double odd = 0;
    int id = 0;
    for (; id + 1 < scores.length; id += 2) {
      even += weights[id];
      odd += weights[id + 1];
    }
    total = id < scores.length ? even + odd + weights[id] : even + odd;
  }

  private float sharpness() {
    return (float) Math.clamp(1 / options.temperature(), SMALLEST, 1 / SMALLEST);
  }

  private float weight(float score, float sharpness) {
    return exp(Math.max((score - largest) * sharpness, LEAST_EXPONENT));
  }

  /**
   * e to the power of x in [-87, 0], within 1e-7 of it: Cephes' polynomial about the nearest
   * multiple of log 2, without branches, which the compiler makes vectors of.
   */
  private static float exp(float x) {
    float shifted = x * 1.44269504f + ROUNDER;
    float n = shifted - ROUNDER;
    float r = x - n * 0.693359375f + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1;
    return p * Float.intBitsToFloat(Float.floatToRawIntBits(shifted) - ROUNDED_ZERO + 127 << 23);
  }

  /** Makes candidates of all tokens whose weight is at least {@code smallest}. */
  private void collect(double smallest) {
    count = 0;
    for (int id = 0; id < scores.length; id++) {
      if (weights[id] >= smallest && scores[id] != Float.NEGATIVE_INFINITY) {
        candidates[count++] = key(id);
      }
    }
  }

  /**
   * Makes candidates of the best {@code most} tokens, and perhaps of others; where these are few,
   * they alone get their weights.
   */
  private void rank(int most) {
    if (most > FEW) {
      collect(0);
      heapify();
      return;
    }
    count = 0;
    heapSize = 0;
    float worst = Float.NEGATIVE_INFINITY;
    for (int id = 0; id < scores.length; id++) {
      if (scores[id] > worst) {
        insert(key(id), most);
        worst = count < most ? worst : scores[id(0)];
      }
    }
    float sharpness = sharpness();
    for (int i = 0; i < count; i++) {
      weights[id(i)] = weight(scores[id(i)], sharpness);
    }
  }

  /** Into candidates as if they were taken from a heap: the best last, up to {@code most}. */
  private void insert(long key, int most) {
    int at;
    if (count < most) {
      at = count++;
      while (at > 0 && candidates[at - 1] < key) {
        candidates[at] = candidates[at - 1];
        at--;
      }
    } else {
      at = 0;
      while (at + 1 < count && candidates[at + 1] > key) {
        candidates[at] = candidates[at + 1];
        at++;
      }
    }
    candidates[at] = key;
  }

  /** The score's complement above the id's 31 bits, so that the smallest key is the best token. */
  private long key(int id) {
    // + 0f makes one zero of both; then the order of the numbers is that of unsigned integers
    int bits = Float.floatToIntBits(scores[id] + 0f);
    int ascending = bits < 0 ? ~bits : bits | Integer.MIN_VALUE;
    return Integer.toUnsignedLong(~ascending) << 31 | id;
  }

  private int id(int candidate) {
    return (int) (candidates[candidate] & Integer.MAX_VALUE);
  }

  /** The token that is the best but {@code rank} of the candidates. */
  private int best(int rank) {
    while (count - heapSize <= rank) {
      long root = candidates[0];
      heapSize--;
      siftDown(0, candidates[heapSize]);
      candidates[heapSize] = root;
    }
    return id(count - 1 - rank);
  }

  private void heapify() {
    heapSize = count;
    for (int at = heapSize / 2 - 1; at >= 0; at--) {
      siftDown(at, candidates[at]);
    }
  }

  /** Puts {@code key} where it belongs at or below {@code at}. */
  private void siftDown(int at, long key) {
    int child = 2 * at + 1;
    while (child < heapSize) {
      if (child + 1 < heapSize && candidates[child + 1] < candidates[child]) {
        child++;
      }
      if (candidates[child] >= key) {
        break;
      }
      candidates[at] = candidates[child];
      at = child;
      child = 2 * at + 1;
    }
    candidates[at] = key;
  }
}

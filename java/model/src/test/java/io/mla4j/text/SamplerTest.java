package io.mla4j.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import io.mla4j.InvalidArgumentException;
import io.mla4j.Mla4jException;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.util.Arrays;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/** Each option alone and together, against a plain computation of the distribution. */
class SamplerTest {
  private static MemorySegment logits(double... values) {
    float[] floats = new float[values.length];
    for (int i = 0; i < values.length; i++) {
      floats[i] = (float) values[i];
    }
    return MemorySegment.ofArray(floats);
  }

  private static double[] logsOf(double... probabilities) {
    return Arrays.stream(probabilities).map(Math::log).toArray();
  }

  private static Set<Integer> drawn(SamplingOptions options, MemorySegment logits, int times) {
    Sampler sampler = new Sampler(options);
    Set<Integer> ids = new TreeSet<>();
    for (int i = 0; i < times; i++) {
      ids.add(sampler.next(logits));
    }
    return ids;
  }

  @Test
  void greedyTakesTheLargestAndOfEqualOnesTheFirst() {
    Sampler sampler = new Sampler(SamplingOptions.GREEDY);
    assertEquals(2, sampler.next(logits(1, -5, 7, 7, 3)));
    assertEquals(0, sampler.next(logits(-3, -4)));
    assertEquals(1, sampler.next(logits(-1, -0.0, 0.0)));
  }

  @Test
  void frequenciesFollowTheProbabilities() {
    double[] p = {0.1, 0.2, 0.3, 0.4};
    Sampler sampler = new Sampler(new SamplingOptions(1, 0, 1, 0, 1, 42));
    int[] hits = new int[4];
    for (int i = 0; i < 100_000; i++) {
      hits[sampler.next(logits(logsOf(p)))]++;
    }
    for (int id = 0; id < 4; id++) {
      assertEquals(p[id], hits[id] / 1e5, 0.006);
    }
  }

  @Test
  void temperatureSharpensAndSurvivesExtremes() {
    double[] p = logsOf(0.2, 0.8);
    Sampler sampler = new Sampler(new SamplingOptions(0.5, 0, 1, 0, 1, 1));
    int first = 0;
    for (int i = 0; i < 50_000; i++) {
      first += sampler.next(logits(p)) == 0 ? 1 : 0;
    }
    assertEquals(0.04 / 0.68, first / 5e4, 0.005);
    assertEquals(Set.of(1), drawn(new SamplingOptions(1e-300, 0, 1, 0, 1, 1), logits(p), 100));
    assertEquals(Set.of(0, 1), drawn(new SamplingOptions(1e300, 0, 1, 0, 1, 1), logits(p), 100));
  }

  @Test
  void topK() {
    MemorySegment logits = logits(1, 2, 3, 4, 3, 2);
    assertEquals(Set.of(3), drawn(new SamplingOptions(5, 1, 1, 0, 1, 1), logits, 500));
    assertEquals(Set.of(2, 3), drawn(new SamplingOptions(5, 2, 1, 0, 1, 1), logits, 500));
    assertEquals(Set.of(1, 2, 3, 4), drawn(new SamplingOptions(5, 4, 1, 0, 1, 1), logits, 500));
    assertEquals(6, drawn(new SamplingOptions(5, 6, 1, 0, 1, 1), logits, 500).size());
    assertEquals(6, drawn(new SamplingOptions(5, 600, 1, 0, 1, 1), logits, 500).size());
  }

  @Test
  void topP() {
    MemorySegment logits = logits(logsOf(0.1, 0.5, 0.15, 0.25));
    assertEquals(Set.of(1), drawn(new SamplingOptions(1, 0, 0.49, 0, 1, 1), logits, 500));
    assertEquals(Set.of(1, 3), drawn(new SamplingOptions(1, 0, 0.51, 0, 1, 1), logits, 500));
    assertEquals(Set.of(1, 2, 3), drawn(new SamplingOptions(1, 0, 0.8, 0, 1, 1), logits, 500));
    assertEquals(Set.of(1), drawn(new SamplingOptions(1, 0, 1e-9, 0, 1, 1), logits, 500));
    // of the two that top-k keeps, 2/3 is reached by the first alone
    assertEquals(Set.of(1), drawn(new SamplingOptions(1, 2, 0.66, 0, 1, 1), logits, 500));
  }

  @Test
  void minP() {
    MemorySegment logits = logits(logsOf(0.1, 0.5, 0.15, 0.25));
    assertEquals(Set.of(1, 3), drawn(new SamplingOptions(1, 0, 1, 0.4, 1, 1), logits, 500));
    assertEquals(Set.of(1), drawn(new SamplingOptions(1, 0, 1, 1, 1, 1), logits, 500));
    assertEquals(Set.of(1, 3), drawn(new SamplingOptions(1, 3, 1, 0.4, 1, 1), logits, 500));
    assertEquals(Set.of(1, 3), drawn(new SamplingOptions(1, 0, 0.99, 0.4, 1, 1), logits, 500));
  }

  /** Only logits that are not finite are the model's fault. */
  @Test
  void aStrongPenaltyLeavesNumbers() {
    for (double penalty : new double[] {1e-300, 1e-40, 1e-30, 1e30, 1e300, Double.MAX_VALUE}) {
      for (double temperature : new double[] {0, 1e-300, 1, 1e300}) {
        for (float logit : new float[] {-1e20f, -1, 0, 1, 1e20f, Float.MAX_VALUE}) {
          Sampler sampler = new Sampler(new SamplingOptions(temperature, 2, 0.9, 0, penalty, 1));
          sampler.observe(0);
          sampler.observe(1);
          int id = sampler.next(logits(logit, -logit, 2));
          assertTrue(id >= 0 && id < 3);
        }
      }
    }
  }

  @Test
  void repetitionPenalty() {
    Sampler sampler = new Sampler(new SamplingOptions(0, 0, 1, 0, 2, 0));
    MemorySegment logits = logits(4, 3, 1, -1);
    assertEquals(0, sampler.next(logits));
    assertEquals(1, sampler.next(logits), "4 / 2 is below 3");
    assertEquals(0, sampler.next(logits), "4 / 2 is above 3 / 2");
    Sampler negative = new Sampler(new SamplingOptions(0, 0, 1, 0, 2, 0));
    negative.observe(1);
    assertEquals(0, negative.next(logits(-1.5, -1)), "-1 * 2 is below -1.5");
    negative.observe(1_000_000);
    negative.next(logits(-1.5, -1));
  }

  @Test
  void seeds() {
    double[] flat = new double[1000];
    for (SamplingOptions options :
        new SamplingOptions[] {
          new SamplingOptions(1, 0, 1, 0, 1, 7),
          new SamplingOptions(1, 50, 1, 0, 1, 7),
          new SamplingOptions(1, 0, 0.5, 0, 1, 7)
        }) {
      Sampler one = new Sampler(options);
      Sampler two = new Sampler(options);
      for (int i = 0; i < 100; i++) {
        assertEquals(one.next(logits(flat)), two.next(logits(flat)));
      }
    }
    Sampler other = new Sampler(new SamplingOptions(1, 0, 1, 0, 1, 8));
    Sampler seven = new Sampler(new SamplingOptions(1, 0, 1, 0, 1, 7));
    int equal = 0;
    for (int i = 0; i < 100; i++) {
      equal += other.next(logits(flat)) == seven.next(logits(flat)) ? 1 : 0;
    }
    assertTrue(equal < 10);
  }

  @Test
  void everyFilterAgreesWithAFullSort() {
    Random random = new Random(3);
    for (int n = 0; n < 200; n++) {
      int size = 1 + random.nextInt(200);
      double[] values = random.doubles(size, -6, 6).map(x -> Math.rint(x * 8) / 8).toArray();
      int topK = random.nextInt(3) == 0 ? 0 : 1 + random.nextInt(size + 5);
      double topP = random.nextInt(3) == 0 ? 1 : 0.05 + 0.9 * random.nextDouble();
      double minP = random.nextInt(3) == 0 ? 0 : random.nextDouble() * 0.5;
      SamplingOptions options = new SamplingOptions(0.8, topK, topP, minP, 1, n);
      Set<Integer> likely = new TreeSet<>();
      Set<Integer> allowed = allowed(values, options, likely);
      Set<Integer> drawn = drawn(options, logits(values), 300);
      assertTrue(allowed.containsAll(drawn), options + " allows " + allowed + ", drew " + drawn);
      assertTrue(drawn.containsAll(likely), options + " expects " + likely + ", drew " + drawn);
    }
  }

  private static Set<Integer> allowed(
      double[] logits, SamplingOptions options, Set<Integer> likely) {
    Integer[] order = new Integer[logits.length];
    Arrays.setAll(order, i -> i);
    Arrays.sort(order, (a, b) -> Double.compare(logits[b], logits[a]));
    int kept = options.topK() == 0 ? order.length : Math.min(options.topK(), order.length);
    double top = logits[order[0]];
    double total = 0;
    for (int i = 0; i < kept; i++) {
      total += Math.exp((logits[order[i]] - top) / options.temperature());
    }
    Set<Integer> allowed = new TreeSet<>();
    double reached = 0;
    for (int i = 0; i < kept && reached < options.topP() * total * (1 + 1e-9); i++) {
      double weight = Math.exp((logits[order[i]] - top) / options.temperature());
      if (weight < options.minP()) {
        break;
      }
      reached += weight;
      allowed.add(order[i]);
    }
    for (int id : allowed) {
      if (Math.exp((logits[id] - top) / options.temperature()) / reached > 0.05) {
        likely.add(id);
      }
    }
    return allowed;
  }

  @Test
  void badLogitsAreNamed() {
    for (double bad :
        new double[] {Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY}) {
      for (double temperature : new double[] {0, 1}) {
        Sampler sampler = new Sampler(new SamplingOptions(temperature, 0, 1, 0, 1, 0));
        Mla4jException e =
            assertThrows(Mla4jException.class, () -> sampler.next(logits(1, bad, 2)));
        assertTrue(e.getMessage().startsWith("logit 1 is "), e.getMessage());
      }
    }
    assertThrows(
        InvalidArgumentException.class,
        () -> new Sampler(SamplingOptions.GREEDY).next(MemorySegment.ofArray(new float[0])));
  }

  @Test
  void badOptionsAreNamed() {
    assertNamed("temperature", () -> new SamplingOptions(-1, 0, 1, 0, 1, 0));
    assertNamed("temperature", () -> new SamplingOptions(Double.NaN, 0, 1, 0, 1, 0));
    assertNamed("topK", () -> new SamplingOptions(1, -1, 1, 0, 1, 0));
    assertNamed("topP", () -> new SamplingOptions(1, 0, 0, 0, 1, 0));
    assertNamed("topP", () -> new SamplingOptions(1, 0, 1.1, 0, 1, 0));
    assertNamed("minP", () -> new SamplingOptions(1, 0, 1, -0.1, 1, 0));
    assertNamed("minP", () -> new SamplingOptions(1, 0, 1, Double.NaN, 1, 0));
    assertNamed("repetitionPenalty", () -> new SamplingOptions(1, 0, 1, 0, 0, 0));
  }

  private static void assertNamed(String name, Runnable made) {
    InvalidArgumentException e = assertThrows(InvalidArgumentException.class, made::run);
    assertTrue(e.getMessage().startsWith(name), e.getMessage());
  }

  @Test
  void largeVocabulariesAllocateOnce() {
    int size = 200_000;
    float[] values = new float[size];
    Random random = new Random(1);
    for (int i = 0; i < size; i++) {
      values[i] = (float) random.nextGaussian();
    }
    MemorySegment logits = MemorySegment.ofArray(values);
    var threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    for (SamplingOptions options :
        new SamplingOptions[] {
          SamplingOptions.GREEDY,
          new SamplingOptions(1, 40, 0.9, 0.05, 1.1, 5),
          new SamplingOptions(0.7, 0, 0.9, 0, 1, 5),
          new SamplingOptions(1, 0, 1, 0.1, 1, 5)
        }) {
      Sampler sampler = new Sampler(options);
      sampler.next(logits);
      sampler.next(logits);
      long before = threads.getCurrentThreadAllocatedBytes();
      for (int i = 0; i < 5; i++) {
        sampler.next(logits);
      }
      long allocated = threads.getCurrentThreadAllocatedBytes() - before;
      assertTrue(allocated < size, options + " allocated " + allocated + " bytes");
    }
  }
}

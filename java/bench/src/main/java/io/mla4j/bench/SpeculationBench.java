package io.mla4j.bench;

import io.mla4j.text.Generation;
import io.mla4j.text.GenerationOptions;
import io.mla4j.text.Model;
import io.mla4j.text.SamplingOptions;
import io.mla4j.text.Session;
import io.mla4j.text.Speculation;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * Generation with guessed tokens next to generation without, in turns over the same prompts, of
 * which every other one is sampled. The ids have to be the same.
 */
public final class SpeculationBench {
  private final Model model;
  private final int[][] prompts;
  private final int tokens;
  private final int repetitions;

  /**
   * Over {@code prompts}, each of which is continued by {@code tokens} tokens {@code repetitions}
   * times.
   */
  public SpeculationBench(Model model, int[][] prompts, int tokens, int repetitions) {
    this.model = model;
    this.prompts = prompts;
    this.tokens = tokens;
    this.repetitions = repetitions;
  }

  /**
   * What a way of guessing did.
   *
   * @param kind how tokens were guessed
   * @param prompts all of which had the same ids
   */
  public record Result(Speculation kind, int prompts, Gain gain) {
    @Override
    public String toString() {
      return String.format(
          Locale.ROOT,
          "%-7s %d prompts with the same ids; %s",
          kind.name().toLowerCase(Locale.ROOT),
          prompts,
          gain.by("prompt"));
    }
  }

  /**
   * Compares each of {@code kinds} with none.
   *
   * @throws BenchException where guesses changed a text
   */
  public List<Result> run(List<Speculation> kinds) {
    int count = kinds.size();
    double[] allNanos = new double[1 + count];
    double[] allTokens = new double[1 + count];
    double[][] ratios = new double[count][prompts.length];
    long[] accepted = new long[count];
    long[] passes = new long[count];
    for (int p = 0; p < prompts.length; p++) {
      double[][] nanos = new double[1 + count][repetitions];
      int[] expected = null;
      for (int r = p == 0 ? -1 : 0; r < repetitions; r++) {
        for (int kind = 0; kind <= count; kind++) {
          Speculation how = kind == 0 ? Speculation.OFF : kinds.get(kind - 1);
          Generation generation = generate(p, how);
          expected = expected == null ? generation.ids() : expected;
          compare(expected, generation.ids(), how, p);
          // The first round of all warms up.
          if (r >= 0) {
            nanos[kind][r] = generation.generationNanos();
            if (kind > 0) {
              accepted[kind - 1] += generation.speculated().accepted();
              passes[kind - 1] += generation.speculated().passes();
            }
          }
        }
      }
      for (int kind = 0; kind <= count; kind++) {
        double median = Statistics.median(nanos[kind]);
        allNanos[kind] += median;
        allTokens[kind] += expected.length - 1;
        if (kind > 0) {
          ratios[kind - 1][p] = Statistics.median(nanos[0]) / median;
        }
      }
    }
    List<Result> results = new ArrayList<>();
    for (int kind = 1; kind <= count; kind++) {
      Arrays.sort(ratios[kind - 1]);
      results.add(
          new Result(
              kinds.get(kind - 1),
              prompts.length,
              new Gain(
                  allTokens[0] / allNanos[0] * 1e9,
                  allTokens[kind] / allNanos[kind] * 1e9,
                  ratios[kind - 1],
                  (double) accepted[kind - 1] / Math.max(1, passes[kind - 1]))));
    }
    return results;
  }

  private Generation generate(int prompt, Speculation how) {
    SamplingOptions sampling =
        prompt % 2 == 0 ? SamplingOptions.GREEDY : new SamplingOptions(0.8, 0, 0.95, 0, 1, prompt);
    int[] ids = prompts[prompt];
    try (Session session = model.session(ids.length + tokens)) {
      GenerationOptions options = GenerationOptions.of(tokens, sampling).speculate(how);
      return session.generate(ids, options, _ -> {});
    }
  }

  private static void compare(int[] expected, int[] ids, Speculation how, int prompt) {
    int at = Arrays.mismatch(expected, ids);
    if (at >= 0) {
      throw new BenchException(
          "with "
              + how.name().toLowerCase(Locale.ROOT)
              + ", token "
              + at
              + " of the text behind prompt "
              + prompt
              + " is another one");
    }
  }
}

package io.mla4j.bench.engine;

import io.mla4j.engine.Usage;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.ToLongFunction;

/** What an engine did. */
public final class EngineReport {
  private static final double NANOS_PER_MILLI = 1e6;
  private static final double NANOS_PER_SECOND = 1e9;

  private EngineReport() {}

  /**
   * Clients at once.
   *
   * @param samples whether every second text was sampled
   * @param tokensPerSecond of all, prompts included in the time
   * @param stepMillis the median of steps in which every client's text got a token and no prompt
   *     was read
   * @param stepsPerSecond tokens per second of such steps
   * @param own the engine's part of these, of all of their time
   * @param choosing of that, what it takes to choose tokens and to tell them
   * @param garbage the median of the bytes that the engine's thread allocates in these, of a token
   * @param firstMillis the median of the times until a text's first token
   * @param accepted guesses that the model chose too, of a step
   * @param steps in all
   * @param mixed of these, those that read prompts beside texts
   * @param mixedTokens of prompts in those, on average
   * @param mixedMillis the median of those
   */
  public record Clients(
      int clients,
      boolean samples,
      double tokensPerSecond,
      double stepMillis,
      double stepsPerSecond,
      double own,
      double choosing,
      double garbage,
      double firstMillis,
      double accepted,
      int steps,
      int mixed,
      double mixedTokens,
      double mixedMillis) {
    static Clients of(
        int clients,
        boolean samples,
        List<EngineBench.Text> texts,
        long accepted,
        List<TimedModel.Step> steps,
        long nanos) {
      long tokens = texts.stream().mapToLong(text -> text.ids().length).sum();
      List<TimedModel.Step> full =
          steps.stream().filter(s -> s.texts() == clients && s.promptTokens() == 0).toList();
      List<TimedModel.Step> mixed =
          steps.stream().filter(s -> s.texts() > 0 && s.promptTokens() > 0).toList();
      double step = median(full, TimedModel.Step::whole);
      return new Clients(
          clients,
          samples,
          tokens * NANOS_PER_SECOND / nanos,
          step,
          clients * NANOS_PER_SECOND / NANOS_PER_MILLI / step,
          sum(full, TimedModel.Step::own) / sum(full, TimedModel.Step::whole),
          sum(full, TimedModel.Step::taken) / sum(full, TimedModel.Step::whole),
          middle(full, TimedModel.Step::garbage) / clients,
          median(texts, EngineBench.Text::firstNanos),
          (double) accepted / steps.size(),
          steps.size(),
          mixed.size(),
          mixed.stream().mapToInt(TimedModel.Step::promptTokens).average().orElse(0),
          median(mixed, TimedModel.Step::whole));
    }

    @Override
    public String toString() {
      return String.format(
          Locale.ROOT,
          "%d clients%s: %.1f tokens/s; a step %.2f ms, %.1f tokens/s, of which the engine's %.2f"
              + " %% (%.2f %% to choose; %.0f bytes of garbage a token); first token %.0f ms; %d"
              + " steps, %d with %.0f tokens of prompts, %.2f ms each%s%n",
          clients,
          samples ? ", half of them sampled" : "",
          tokensPerSecond,
          stepMillis,
          stepsPerSecond,
          100 * own,
          100 * choosing,
          garbage,
          firstMillis,
          steps,
          mixed,
          mixedTokens,
          mixedMillis,
          accepted == 0
              ? ""
              : String.format(Locale.ROOT, "; %.2f guesses accepted a step", accepted));
    }
  }

  /**
   * Texts beside a long prompt.
   *
   * @param plainMillis the median step without it
   * @param meanRatio the mean step while it is read, of that
   * @param mostRatio the longest step while it is read, of that
   * @param steps while it is read
   * @param firstMillis until its first token
   */
  public record LongPrompt(
      int texts,
      int promptTokens,
      double plainMillis,
      double meanRatio,
      double mostRatio,
      int steps,
      double firstMillis) {
    static final int STEPS_BEFORE = 20;

    static LongPrompt of(
        int texts,
        int promptTokens,
        List<TimedModel.Step> without,
        List<TimedModel.Step> with,
        long firstNanos) {
      double plain = median(without, TimedModel.Step::whole);
      double mean = sum(with, TimedModel.Step::whole) / with.size() / NANOS_PER_MILLI;
      double most =
          with.stream().mapToLong(TimedModel.Step::whole).max().orElse(0) / NANOS_PER_MILLI;
      return new LongPrompt(
          texts,
          promptTokens,
          plain,
          mean / plain,
          most / plain,
          with.size(),
          firstNanos / NANOS_PER_MILLI);
    }

    @Override
    public String toString() {
      return String.format(
          Locale.ROOT,
          "a prompt of %d tokens beside %d texts: steps take %.2f times as long on average, %.2f at"
              + " most (%.2f ms without); %d steps, first token after %.0f ms%n",
          promptTokens,
          texts,
          meanRatio,
          mostRatio,
          plainMillis,
          steps,
          firstMillis);
    }
  }

  /**
   * A conversation.
   *
   * @param usages of its turns
   * @param firstNanos until the first token of each turn
   */
  public record Turns(List<Usage> usages, List<Long> firstNanos) {
    /** Tokens of the prompts from the second turn on that were not computed again, of all. */
    public double hits() {
      List<Usage> later = usages.subList(1, usages.size());
      return later.stream().mapToDouble(Usage::cachedTokens).sum()
          / later.stream().mapToDouble(Usage::promptTokens).sum();
    }

    /** Of those that were said before. */
    public double hitsOfKnown() {
      double known = 0;
      double cached = 0;
      for (int i = 1; i < usages.size(); i++) {
        known += usages.get(i - 1).promptTokens() + usages.get(i - 1).generatedTokens();
        cached += usages.get(i).cachedTokens();
      }
      return cached / known;
    }

    @Override
    public String toString() {
      StringBuilder text = new StringBuilder();
      for (int i = 0; i < usages.size(); i++) {
        text.append(
            String.format(
                Locale.ROOT,
                "turn %d: %d tokens, %d of them cached, first token after %.0f ms%n",
                i + 1,
                usages.get(i).promptTokens(),
                usages.get(i).cachedTokens(),
                firstNanos.get(i) / NANOS_PER_MILLI));
      }
      return text.append(
              String.format(
                  Locale.ROOT,
                  "from the second turn on %.1f %% of the prompts, %.1f %% of what was said"
                      + " before, were cached%n",
                  100 * hits(),
                  100 * hitsOfKnown()))
          .toString();
    }
  }

  private static <T> double median(List<T> all, ToLongFunction<T> of) {
    return middle(all, of) / NANOS_PER_MILLI;
  }

  private static <T> double middle(List<T> all, ToLongFunction<T> of) {
    long[] sorted = all.stream().mapToLong(of).toArray();
    Arrays.sort(sorted);
    return sorted.length == 0 ? Double.NaN : sorted[sorted.length / 2];
  }

  private static <T> double sum(List<T> all, ToLongFunction<T> of) {
    return all.stream().mapToLong(of).asDoubleStream().sum();
  }
}

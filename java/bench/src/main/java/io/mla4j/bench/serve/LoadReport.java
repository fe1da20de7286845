package io.mla4j.bench.serve;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.mla4j.bench.serve.Load.Sample;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * What a server did under load. Times in milliseconds.
 *
 * @param answered requests
 * @param errors of the others
 * @param seconds from the first request to the last answer
 * @param promptTokens of the answered
 * @param cachedTokens of these, those that the server said it did not compute
 * @param tokens that were generated
 * @param firstToken from a request to its first piece
 * @param betweenTokens from one piece to the next
 * @param whole from a request to its end
 */
public record LoadReport(
    int clients,
    int answered,
    List<String> errors,
    double seconds,
    long promptTokens,
    long cachedTokens,
    long tokens,
    Percentiles firstToken,
    Percentiles betweenTokens,
    Percentiles whole) {
  private static final double NANOS_PER_MILLI = 1e6;
  private static final double NANOS_PER_SECOND = 1e9;

  /** Of times in milliseconds. */
  public record Percentiles(double p50, double p90, double p99, double most) {
    private static final double MEDIAN = 0.5;
    private static final double NINETY = 0.9;
    private static final double NINETY_NINE = 0.99;

    static Percentiles of(long[] nanos) {
      Arrays.sort(nanos);
      return new Percentiles(
          at(nanos, MEDIAN), at(nanos, NINETY), at(nanos, NINETY_NINE), at(nanos, 1));
    }

    private static double at(long[] sorted, double part) {
      if (sorted.length == 0) {
        return Double.NaN;
      }
      int index = (int) Math.ceil(part * sorted.length) - 1;
      return sorted[Math.max(0, index)] / NANOS_PER_MILLI;
    }

    @Override
    public String toString() {
      return String.format(
          Locale.ROOT, "p50 %.2f  p90 %.2f  p99 %.2f  most %.2f ms", p50, p90, p99, most);
    }
  }

  static LoadReport of(Load.Options options, List<Sample> samples, long nanos) {
    List<Sample> answered = samples.stream().filter(s -> s.error() == null).toList();
    return new LoadReport(
        options.clients(),
        answered.size(),
        samples.stream().map(Sample::error).filter(e -> e != null).toList(),
        nanos / NANOS_PER_SECOND,
        answered.stream().mapToLong(Sample::promptTokens).sum(),
        answered.stream().mapToLong(Sample::cachedTokens).sum(),
        answered.stream().mapToLong(Sample::tokens).sum(),
        Percentiles.of(answered.stream().mapToLong(Sample::firstNanos).toArray()),
        Percentiles.of(
            answered.stream()
                .flatMap(s -> s.gapNanos().stream())
                .mapToLong(Long::longValue)
                .toArray()),
        Percentiles.of(answered.stream().mapToLong(Sample::nanos).toArray()));
  }

  /** Tokens generated in a second. */
  public double tokensPerSecond() {
    return tokens / seconds;
  }

  @Override
  public String toString() {
    StringBuilder text = new StringBuilder();
    line(text, "clients", Integer.toString(clients));
    line(text, "requests", answered + " answered, " + errors.size() + " failed");
    line(
        text,
        "tokens",
        String.format(
            Locale.ROOT,
            "%d generated in %.2f s: %.1f tokens/s",
            tokens,
            seconds,
            tokensPerSecond()));
    line(
        text,
        "prompts",
        String.format(
            Locale.ROOT,
            "%d tokens, %.1f %% of them cached",
            promptTokens,
            100.0 * cachedTokens / Math.max(1, promptTokens)));
    line(text, "first token", firstToken.toString());
    line(text, "between tokens", betweenTokens.toString());
    line(text, "whole answer", whole.toString());
    errors.stream().distinct().limit(5).forEach(error -> line(text, "failed", error));
    return text.toString();
  }

  private static void line(StringBuilder text, String name, String value) {
    text.append(String.format("%-15s %s%n", name, value));
  }

  /** As one JSON object. */
  public String json() {
    ObjectNode json = Load.JSON.createObjectNode();
    json.put("clients", clients).put("answered", answered).put("failed", errors.size());
    json.put("seconds", seconds).put("promptTokens", promptTokens);
    json.put("cachedTokens", cachedTokens).put("tokens", tokens);
    json.put("tokensPerSecond", tokensPerSecond());
    json.set("firstTokenMillis", Load.JSON.valueToTree(firstToken));
    json.set("betweenTokensMillis", Load.JSON.valueToTree(betweenTokens));
    json.set("wholeMillis", Load.JSON.valueToTree(whole));
    return json.toString();
  }
}

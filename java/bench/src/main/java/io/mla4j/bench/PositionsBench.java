package io.mla4j.bench;

import io.mla4j.Backends;
import io.mla4j.ComputeType;
import io.mla4j.InvalidArgumentException;
import io.mla4j.checkpoint.CheckpointException;
import io.mla4j.checkpoint.PositionOverride;
import io.mla4j.ops.Tensor;
import io.mla4j.text.Model;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * How long a context a model holds out with each way to tell positions: the perplexity of the same
 * tokens in windows of several lengths, and by their position in the longest ones.
 *
 * <p>Windows are cut as {@code mla4j perplexity} cuts them: each begins with BOS, which is not
 * scored. Everything is computed in float32.
 */
public final class PositionsBench {
  /** The setting's name for what the configuration says. */
  public static final String CONFIGURED = "as configured";

  private final Path model;
  private final Backends.Choice backend;
  private final int bos;
  private final int[] ids;
  private final List<Integer> contexts;

  /**
   * A comparison.
   *
   * @param bos what begins a window
   * @param ids the text
   * @param contexts lengths of windows, rising, each 2 or more
   */
  public PositionsBench(
      Path model, Backends.Choice backend, int bos, int[] ids, List<Integer> contexts) {
    this.model = model;
    this.backend = backend;
    this.bos = bos;
    this.ids = ids.clone();
    this.contexts = List.copyOf(contexts);
  }

  /**
   * One way to tell positions.
   *
   * @param how as on the command line, {@code as configured} for what the configuration says
   * @param perplexities for each context, NaN beyond the model's; none where {@code refused}
   * @param byPosition perplexities of the tokens of the longest windows between one context and the
   *     next, the first from 0 on
   * @param refused why the model cannot do it
   */
  public record Result(
      String how, List<Double> perplexities, List<Double> byPosition, Optional<String> refused) {}

  /**
   * Measures every setting.
   *
   * @param settings as {@link PositionOverride#rope} takes them, {@code alibi}, or {@code as
   *     configured}
   * @param progress takes a line for each
   */
  public List<Result> run(List<String> settings, Consumer<String> progress) {
    List<Result> results = new ArrayList<>();
    for (String how : settings) {
      try {
        results.add(run(how));
      } catch (CheckpointException | InvalidArgumentException e) {
        results.add(new Result(how, List.of(), List.of(), Optional.of(e.getMessage())));
      }
      progress.accept(how + ": " + results.getLast().perplexities());
    }
    return results;
  }

  private static PositionOverride override(String how) {
    return switch (how) {
      case CONFIGURED -> null;
      case "alibi" -> PositionOverride.alibi();
      default -> PositionOverride.rope(how);
    };
  }

  private Result run(String how) {
    Model.Builder builder =
        Model.builder(model)
            .backend(backend.backend())
            .isa(backend.isa())
            .threads(backend.threads())
            .compute(ComputeType.F32)
            .positions(override(how))
            .withoutTokenizer();
    try (Model opened = builder.open()) {
      int reach = opened.description().context();
      List<Double> perplexities = new ArrayList<>();
      List<Double> byPosition = new ArrayList<>();
      for (int context : contexts) {
        if (context > reach) {
          perplexities.add(Double.NaN);
          continue;
        }
        double[] nats = new double[contexts.size()];
        int[] counts = new int[contexts.size()];
        score(opened, context, nats, counts);
        perplexities.add(Math.exp(Arrays.stream(nats).sum() / Arrays.stream(counts).sum()));
        byPosition.clear();
        for (int bucket = 0; bucket < nats.length && counts[bucket] > 0; bucket++) {
          byPosition.add(Math.exp(nats[bucket] / counts[bucket]));
        }
      }
      return new Result(how, perplexities, byPosition, Optional.empty());
    }
  }

  /** Adds negative log-likelihoods by the bucket of their positions. */
  private void score(Model opened, int context, double[] nats, int[] counts) {
    for (int begin = 0; begin < ids.length; begin += context - 1) {
      int count = Math.min(context - 1, ids.length - begin);
      int[] input = new int[count];
      input[0] = bos;
      System.arraycopy(ids, begin, input, 1, count - 1);
      int from = begin;
      opened.logits(
          new int[][] {input},
          (_, position, logits) -> {
            int bucket = bucket(position);
            nats[bucket] += negativeLogLikelihood(logits, ids[from + position]);
            counts[bucket]++;
          });
    }
  }

  private int bucket(int position) {
    int bucket = 0;
    while (position >= contexts.get(bucket)) {
      bucket++;
    }
    return bucket;
  }

  private static double negativeLogLikelihood(Tensor logits, int id) {
    float[] row = logits.segment().toArray(ValueLayout.JAVA_FLOAT);
    return PrecisionBench.logSum(row) - row[id];
  }
}

package io.mla4j.cli;

import io.mla4j.InvalidArgumentException;
import io.mla4j.model.Cancellation;
import io.mla4j.text.Generation;
import io.mla4j.text.GenerationOptions;
import io.mla4j.text.SamplingOptions;
import io.mla4j.text.Speculation;
import java.util.List;
import java.util.Locale;

/** How a command chooses tokens and when it ends. */
final class SamplingArguments {
  private double temperature = 0.8;
  private int topK;
  private double topP = 0.95;
  private double minP;
  private double repetitionPenalty = 1;
  private Long seed;
  private int maxTokens;
  private List<String> stop = List.of();
  private Speculation speculation = Speculation.OFF;
  private final StreamCommand command;

  SamplingArguments(StreamCommand command, int maxTokens) {
    this.command = command;
    this.maxTokens = maxTokens;
  }

  void declare(Args args) {
    args.one(
        "--max-tokens N",
        int.class,
        v -> maxTokens = v,
        "The most tokens to generate; default: " + maxTokens + ".");
    args.one(
        "--temperature T",
        double.class,
        v -> temperature = v,
        "0 always takes the likeliest token; default: 0.8.");
    args.one(
        "--top-k K",
        int.class,
        v -> topK = v,
        "Draw from the K likeliest tokens; default: 0, all.");
    args.one(
        "--top-p P",
        double.class,
        v -> topP = v,
        "Draw from the likeliest tokens that reach P together; default: 0.95.");
    args.one(
        "--min-p P",
        double.class,
        v -> minP = v,
        "Draw from tokens at least P times as likely as the likeliest; default: 0.");
    args.one(
        "--repetition-penalty R",
        double.class,
        v -> repetitionPenalty = v,
        "Makes tokens that occurred less likely; default: 1, not.");
    args.one(
        "--seed S",
        Long.class,
        v -> seed = v,
        "The same seed gives the same text; default: another one each time.");
    args.several(
        "--stop TEXT",
        String.class,
        false,
        v -> stop = v,
        "End before this text; may come several times.");
    args.one(
        "--speculate WAY",
        Speculation.class,
        v -> speculation = v,
        "Guess tokens and check several in a pass, which writes the same text faster: lookup, from"
            + " what followed the last tokens before, or mtp, by the checkpoint's own layer for it;"
            + " default: off.");
  }

  /** Checks what does not need the model, and says how to sample. */
  SamplingOptions check() {
    SamplingOptions options;
    try {
      options =
          new SamplingOptions(
              temperature,
              topK,
              topP,
              minP,
              repetitionPenalty,
              seed == null ? System.nanoTime() : seed);
    } catch (InvalidArgumentException e) {
      throw command.usage(e.getMessage());
    }
    if (maxTokens < 1) {
      throw command.usage("--max-tokens is " + maxTokens + ", but must be at least 1");
    }
    if (stop.contains("")) {
      throw command.usage("--stop is empty");
    }
    return options;
  }

  int maxTokens() {
    return maxTokens;
  }

  List<String> stop() {
    return stop;
  }

  /** How far to go with such samples. */
  GenerationOptions until(SamplingOptions how, Cancellation cancellation) {
    return new GenerationOptions(maxTokens, how, stop, cancellation, speculation);
  }

  /** What guessing did, for the end of a line; nothing where it was not asked for. */
  String told(Generation generation) {
    Speculation.Figures figures = generation.speculated();
    return speculation == Speculation.OFF
        ? ""
        : String.format(
            Locale.ROOT,
            ", %s: %.2f guesses accepted a pass",
            speculation.name().toLowerCase(Locale.ROOT),
            figures.acceptedPerPass());
  }
}

package io.mla4j.text;

import io.mla4j.InvalidArgumentException;
import io.mla4j.checkpoint.Checkpoint;
import io.mla4j.checkpoint.CheckpointException;
import io.mla4j.checkpoint.ModelDescription;
import io.mla4j.checkpoint.WeightTable;
import io.mla4j.model.Decoder;
import io.mla4j.model.Predictor;
import io.mla4j.text.speculation.Experience;
import io.mla4j.text.speculation.GuessTimes;
import io.mla4j.text.speculation.Lookup;
import io.mla4j.text.speculation.Mtp;
import io.mla4j.text.speculation.Pace;
import io.mla4j.text.speculation.PassTimes;
import io.mla4j.text.speculation.Speculator;
import org.jspecify.annotations.Nullable;

/**
 * What the sessions of a model guess with: its predictor, which is made when somebody first asks
 * for it, and what was learned of the times of passes and guesses. Thread-safe; what was learned is
 * used within a step alone.
 */
final class Guessers {
  private final Checkpoint checkpoint;
  private final Decoder decoder;
  private final PassTimes passes = new PassTimes(Pace.MOST + 1);
  private final Experience ofLookup = new Experience(passes, new GuessTimes());
  private final Experience ofMtp = new Experience(passes, new GuessTimes());
  private @Nullable Predictor predictor;

  Guessers(Checkpoint checkpoint, Decoder decoder) {
    this.checkpoint = checkpoint;
    this.decoder = decoder;
  }

  /** For a session that looks up. */
  Speculator lookup() {
    return new Speculator(new Lookup(), ofLookup);
  }

  /** For a session with room for {@code tokens} tokens; throws as {@link #predictor} does. */
  Speculator mtp(int tokens) {
    return new Speculator(new Mtp(predictor(), tokens), ofMtp);
  }

  /**
   * @throws CheckpointException naming the tensor that the checkpoint lacks
   * @throws InvalidArgumentException where the model's family has no such layer
   */
  synchronized Predictor predictor() {
    if (predictor == null) {
      ModelDescription model =
          decoder
              .model()
              .predictor()
              .orElseThrow(
                  () ->
                      new InvalidArgumentException(
                          "speculation is mtp, but mla4j knows no layer for multi-token prediction"
                              + " in a model of type "
                              + decoder.model().family()));
      WeightTable weights = WeightTable.resolvePredictor(model, checkpoint);
      predictor = new Predictor(model, weights, decoder.device(), decoder.options());
    }
    return predictor;
  }

  /** Call when nobody uses it. */
  synchronized void close() {
    if (predictor != null) {
      predictor.close();
    }
  }
}

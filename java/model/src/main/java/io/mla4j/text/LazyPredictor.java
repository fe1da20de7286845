package io.mla4j.text;

import io.mla4j.InvalidArgumentException;
import io.mla4j.checkpoint.Checkpoint;
import io.mla4j.checkpoint.CheckpointException;
import io.mla4j.checkpoint.ModelDescription;
import io.mla4j.checkpoint.WeightTable;
import io.mla4j.model.Decoder;
import io.mla4j.model.Predictor;

/** A model's predictor, which is made when somebody first asks for it. Thread-safe. */
final class LazyPredictor {
  private final Checkpoint checkpoint;
  private final Decoder decoder;
  private Predictor predictor;

  LazyPredictor(Checkpoint checkpoint, Decoder decoder) {
    this.checkpoint = checkpoint;
    this.decoder = decoder;
  }

  /**
   * @throws CheckpointException naming the tensor that the checkpoint lacks
   * @throws InvalidArgumentException where the model's family has no such layer
   */
  synchronized Predictor get() {
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

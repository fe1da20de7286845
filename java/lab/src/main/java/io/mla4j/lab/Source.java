package io.mla4j.lab;

import io.mla4j.checkpoint.AttentionDescription.Grouped;
import io.mla4j.checkpoint.Checkpoint;
import io.mla4j.checkpoint.ConfigReader;
import io.mla4j.checkpoint.FfnDescription;
import io.mla4j.checkpoint.ModelDescription;
import io.mla4j.checkpoint.StoredTensor;
import io.mla4j.checkpoint.TensorRole;
import io.mla4j.checkpoint.WeightTable;
import io.mla4j.ops.RopeLayout;
import io.mla4j.position.RopeScaling;
import java.nio.file.Path;
import org.ejml.data.DMatrixRMaj;

/**
 * The model that is converted: grouped keys and values, or those of each head, or one for all.
 *
 * @param directory where it lies
 * @param model what it computes
 * @param checkpoint its tensors; closed with this
 * @param weights the tensors by their roles
 * @param attention of every layer
 * @param shape heads, groups, frequencies
 */
record Source(
    Path directory,
    ModelDescription model,
    Checkpoint checkpoint,
    WeightTable weights,
    Grouped attention,
    GroupedShape shape)
    implements AutoCloseable {

  /**
   * Opens a model.
   *
   * @throws LabException naming why its attention has no form with a linear latent
   */
  static Source open(Path directory) {
    ModelDescription model = ConfigReader.read(directory);
    Grouped attention =
        model
            .grouped()
            .orElseThrow(
                () ->
                    new LabException(
                        directory
                            + ": a model of family "
                            + model.family()
                            + " has latents already"));
    Checkpoint checkpoint = Checkpoint.open(directory);
    try {
      GroupedShape shape = shape(directory, model, checkpoint, attention);
      return new Source(
          directory, model, checkpoint, WeightTable.resolve(model, checkpoint), attention, shape);
    } catch (RuntimeException | Error e) {
      checkpoint.close();
      throw e;
    }
  }

  private static GroupedShape shape(
      Path directory, ModelDescription model, Checkpoint checkpoint, Grouped attention) {
    RopeScaling scaling = attention.rope().scaling();
    boolean dense =
        model.layers().stream().allMatch(layer -> layer.ffn() instanceof FfnDescription.Dense);
    String problem =
        checkpoint.gguf().isPresent()
            ? "is a GGUF file; convert the safetensors that it was made of"
            : attention.headNorm()
                ? "norms each head's keys, which no linear latent can stand for"
                : !dense
                    ? "has experts"
                    : scaling.dependsOnLength() || scaling.attentionFactor() != 1
                        ? "scales its rotation by more than frequencies"
                        : attention.rope().layout() != RopeLayout.HALVES
                                || attention.rope().width() != attention.width()
                            ? "rotates heads in a way that is not known here"
                            : Math.abs(attention.scoreScale() * Math.sqrt(attention.width()) - 1)
                                    > 1e-6
                                ? "scales its scores in a way that is not known here"
                                : null;
    if (problem != null) {
      throw new LabException(directory + ": the model " + problem);
    }
    float[] inverse =
        scaling.inverseFrequencies(attention.width(), attention.rope().theta(), model.context());
    double[] frequencies = new double[inverse.length];
    for (int i = 0; i < inverse.length; i++) {
      frequencies[i] = inverse[i];
    }
    return new GroupedShape(attention.heads(), attention.groups(), attention.width(), frequencies);
  }

  StoredTensor tensor(int layer, TensorRole role) {
    return weights.layers().get(layer).all(role).getFirst();
  }

  /** A projection; biases are its last column where the model has them. */
  DMatrixRMaj projection(int layer, TensorRole weight, TensorRole bias) {
    StoredTensor stored = tensor(layer, weight);
    int rows = Math.toIntExact(stored.shape().getFirst());
    int columns = Math.toIntExact(stored.shape().get(1));
    float[] values = stored.toFloats();
    int width = inputs();
    DMatrixRMaj out = new DMatrixRMaj(rows, columns == model.hidden() ? width : columns);
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < columns; j++) {
        out.set(i, j, values[i * columns + j]);
      }
    }
    if (bias != null && attention.inputBias()) {
      float[] b = tensor(layer, bias).toFloats();
      for (int i = 0; i < rows; i++) {
        out.set(i, columns, b[i]);
      }
    }
    return out;
  }

  /** Elements of the inputs of attention, with the 1 that biases are multiplied by. */
  int inputs() {
    return model.hidden() + (attention.inputBias() ? 1 : 0);
  }

  @Override
  public void close() {
    checkpoint.close();
  }
}

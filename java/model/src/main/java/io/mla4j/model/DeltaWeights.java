package io.mla4j.model;

import io.mla4j.StateLayout;
import io.mla4j.checkpoint.AttentionDescription;
import io.mla4j.checkpoint.StoredTensor;
import io.mla4j.checkpoint.TensorRole;
import io.mla4j.checkpoint.WeightTable;
import io.mla4j.ops.AttendDelta;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import java.util.List;

/** What {@link AttendDelta} has of a layer: few numbers, which are widened and brought in order. */
final class DeltaWeights {
  private static final List<TensorRole> TAPS =
      List.of(TensorRole.DELTA_QUERY_TAPS, TensorRole.DELTA_KEY_TAPS, TensorRole.DELTA_VALUE_TAPS);

  private DeltaWeights() {}

  /** Puts numbers where operations read them. */
  @FunctionalInterface
  interface Placement {
    /** A tensor (n) F32, or null where only bytes are counted. */
    Tensor place(float[] values);
  }

  /** Whether tensors of this role become part of it. */
  static boolean has(TensorRole role) {
    return TAPS.contains(role)
        || role == TensorRole.DELTA_LOG_RATES
        || role == TensorRole.DELTA_RATES
        || role == TensorRole.DELTA_DECAY_BIAS
        || role == TensorRole.DELTA_NORM;
  }

  /** Those of a layer. */
  static AttendDelta.Weights of(
      AttentionDescription.Kda kda, WeightTable.Layer layer, Placement placement) {
    int channels = kda.state().heads() * kda.state().width();
    Tensor taps = placement.place(taps(layer, channels));
    Tensor rates = placement.place(rates(layer));
    Tensor bias = placement.place(only(layer, TensorRole.DELTA_DECAY_BIAS).toFloats());
    Tensor norm = placement.place(only(layer, TensorRole.DELTA_NORM).toFloats());
    Tensor matrix =
        Tensor.of(taps.segment(), StorageFormat.F32, TAPS.size() * StateLayout.TAPS, channels);
    return new AttendDelta.Weights(matrix, rates, bias, norm, kda.normEps());
  }

  /** From (channels, taps) of each convolution to (taps, channels). */
  private static float[] taps(WeightTable.Layer layer, int channels) {
    float[] all = new float[TAPS.size() * StateLayout.TAPS * channels];
    for (int i = 0; i < TAPS.size(); i++) {
      float[] stored = only(layer, TAPS.get(i)).toFloats();
      for (int j = 0; j < StateLayout.TAPS; j++) {
        for (int c = 0; c < channels; c++) {
          all[(i * StateLayout.TAPS + j) * channels + c] = stored[c * StateLayout.TAPS + j];
        }
      }
    }
    return all;
  }

  private static float[] rates(WeightTable.Layer layer) {
    boolean logarithms = layer.has(TensorRole.DELTA_LOG_RATES);
    float[] rates =
        only(layer, logarithms ? TensorRole.DELTA_LOG_RATES : TensorRole.DELTA_RATES).toFloats();
    for (int h = 0; h < rates.length; h++) {
      rates[h] = logarithms ? (float) Math.exp(rates[h]) : Math.abs(rates[h]);
    }
    return rates;
  }

  private static StoredTensor only(WeightTable.Layer layer, TensorRole role) {
    return layer.all(role).getFirst();
  }
}

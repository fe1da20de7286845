package io.mla4j.device;

import io.mla4j.InvalidArgumentException;
import io.mla4j.ops.LatentUp;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;

/**
 * Weights as a device multiplies them: elements alone. What has scales beside them is widened when
 * it is placed there ({@link io.mla4j.Device#place}).
 */
public final class PlainWeights {
  private PlainWeights() {}

  /**
   * The elements of a weight without scales.
   *
   * @throws InvalidArgumentException naming one that has them
   */
  public static Tensor tensor(String name, Weight weight) {
    if (weight.isScaled()) {
      throw new InvalidArgumentException(
          name
              + " is "
              + weight
              + ", but a device takes weights without scales, as it places them");
    }
    return weight.tensor();
  }

  /**
   * The one matrix that makes keys and values of latents.
   *
   * @throws InvalidArgumentException where W_UK and W_UV are apart
   */
  public static Tensor fused(LatentUp up) {
    return switch (up) {
      case LatentUp.Fused fused -> tensor("latentUp", fused.latentUp());
      case LatentUp.Split split ->
          throw new InvalidArgumentException(
              "keysUp is " + split.keys() + ", but a device takes keys and values of one matrix");
    };
  }
}

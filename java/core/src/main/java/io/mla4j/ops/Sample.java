package io.mla4j.ops;

import io.mla4j.InvalidArgumentException;

/**
 * Tokens drawn on the device, so that only their ids come back: {@code ids[i]} is drawn from {@code
 * softmax(logits[i] / temperature)}, of the topK largest those that together first reach topP, in
 * the order of their ids, where their probabilities pass {@code uniform[i]}.
 *
 * @param logits (n, vocabulary) F32
 * @param temperature above 0
 * @param topK 0 for all
 * @param topP above 0, 1 for all
 * @param uniform (n) F32, each in [0, 1): read whenever the operation runs
 * @param ids (n) I32
 */
public record Sample(
    Tensor logits, float temperature, int topK, float topP, Tensor uniform, Tensor ids)
    implements Operation {
  /** Checks types, shapes and numbers. */
  public Sample {
    Checks.requireFloats("logits", logits, 2);
    Checks.require("logits", logits, StorageFormat.F32, logits.dim(0), logits.dim(1));
    Checks.require("uniform", uniform, StorageFormat.F32, logits.dim(0));
    Checks.requireOutput("ids", ids, StorageFormat.I32, logits.dim(0));
    if (!(temperature > 0) || temperature == Float.POSITIVE_INFINITY) {
      throw new InvalidArgumentException(
          "temperature is " + temperature + ", but must be a finite positive number");
    }
    Checks.require(topK >= 0, "topK is " + topK + ", but must not be negative");
    if (!(topP > 0) || topP > 1) {
      throw new InvalidArgumentException("topP is " + topP + ", but must be above 0 and at most 1");
    }
  }
}

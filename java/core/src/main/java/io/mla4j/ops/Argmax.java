package io.mla4j.ops;

/**
 * The likeliest tokens, chosen on the device so that only their ids come back: {@code ids[i]} is
 * the index of the largest of {@code logits[i]}, of equal ones the lowest.
 *
 * @param logits (n, vocabulary) F32
 * @param ids (n) I32
 */
public record Argmax(Tensor logits, Tensor ids) implements Operation {
  /** Checks types and shapes. */
  public Argmax {
    Checks.requireFloats("logits", logits, 2);
    Checks.require("logits", logits, StorageFormat.F32, logits.dim(0), logits.dim(1));
    Checks.requireOutput("ids", ids, StorageFormat.I32, logits.dim(0));
  }
}

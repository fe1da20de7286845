package io.mla4j.ops;

/**
 * Choosing tokens on a device, so that only their ids come back. Thread rule and errors as {@link
 * Ops}.
 */
public interface Sampling {
  /**
   * ids[i] = the index of the largest of logits[i], of equal ones the lowest: logits (n,
   * vocabulary) F32, ids (n) I32.
   */
  void argmax(Tensor logits, Tensor ids);

  /**
   * ids[i] is drawn from softmax(logits[i] / temperature), of the topK largest (0: all) those that
   * together first reach topP (1: all), in the order of their ids, where their probabilities pass
   * uniform[i].
   *
   * @param logits (n, vocabulary) F32
   * @param temperature above 0
   * @param uniform (n) F32 in [0, 1)
   * @param ids (n) I32
   */
  void sample(Tensor logits, float temperature, int topK, float topP, Tensor uniform, Tensor ids);
}

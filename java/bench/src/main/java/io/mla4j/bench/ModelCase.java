package io.mla4j.bench;

import io.mla4j.cpu.CpuDevice;
import io.mla4j.model.Decoder;
import io.mla4j.model.Largest;
import io.mla4j.ops.Tensor;

/** A model that reads or writes tokens. */
abstract class ModelCase extends CpuCase {
  final Decoder decoder;
  private final Largest largest = new Largest();

  ModelCase(Axes axes, Work work, CpuDevice device, Decoder decoder) {
    super(axes, work, device);
    this.decoder = decoder;
  }

  static Axes axes(
      String kind, CpuDevice device, Decoder decoder, String name, int tokens, int queries) {
    return Axes.of("model")
        .on(device)
        .with(Axis.KIND, kind)
        .with(Axis.FORM, decoder.options().form())
        .with(Axis.HEADS, ModelWork.heads(decoder))
        .with(Axis.TOKENS, tokens)
        .with(Axis.BATCH, 1)
        .with(Axis.S_Q, queries)
        .with(Axis.COMPUTE, decoder.options().compute())
        .with(Axis.CACHE_TYPE, decoder.options().cacheType())
        .with(Axis.PAGE, decoder.options().pageSize())
        .with(Axis.RESIDENCY, "cold")
        .with(Axis.SHAPE, name);
  }

  /** The likeliest token after a hidden state (1, hidden). */
  final int likeliest(Tensor hidden) {
    int[] best = {0};
    decoder.logits(hidden, (_, logits) -> best[0] = largest.of(logits.segment()));
    return best[0];
  }

  /** Models are checked against Hugging Face's by the tests of the decoder. */
  @Override
  void verify() {}

  @Override
  boolean isVerifiable() {
    return false;
  }
}

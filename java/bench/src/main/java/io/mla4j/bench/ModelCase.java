package io.mla4j.bench;

import io.mla4j.cpu.CpuDevice;
import io.mla4j.model.Decoder;
import io.mla4j.ops.Tensor;
import java.lang.foreign.ValueLayout;

/** A model that reads or writes tokens. */
abstract class ModelCase extends CpuCase {
  final Decoder decoder;

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
    decoder.logits(
        hidden,
        (_, logits) -> {
          float most = Float.NEGATIVE_INFINITY;
          for (int i = 0; i < logits.dim(0); i++) {
            float value = logits.segment().getAtIndex(ValueLayout.JAVA_FLOAT, i);
            if (value > most) {
              most = value;
              best[0] = i;
            }
          }
        });
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

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
    return new Axes(
        "model",
        kind,
        device.backend(),
        device.isa(),
        null,
        AttentionSpec.lower(decoder.options().form()),
        decoder.model().layers().getFirst().mla().shape().heads(),
        tokens,
        1,
        queries,
        device.threads(),
        AttentionSpec.lower(decoder.options().compute()),
        AttentionSpec.lower(decoder.options().cacheType()),
        decoder.options().pageSize(),
        "cold",
        name);
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

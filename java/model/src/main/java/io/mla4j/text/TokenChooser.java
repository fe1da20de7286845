package io.mla4j.text;

import io.mla4j.model.Decoder;
import io.mla4j.ops.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;

/** Chooses the tokens of one text, on the device where it knows what the options ask for. */
final class TokenChooser {
  private final SamplingOptions options;
  private final Decoder decoder;
  private final boolean onDevice;
  private final Sampler sampler;
  private final SplittableRandom random;
  private final float[] uniform = new float[1];
  private final int[] chosen = new int[1];

  TokenChooser(SamplingOptions options, Decoder decoder) {
    this.options = options;
    this.decoder = decoder;
    this.onDevice =
        options.minP() == 0 && options.repetitionPenalty() == 1 && decoder.device().choosesTokens();
    this.sampler = new Sampler(options);
    this.random = new SplittableRandom(options.seed());
  }

  SamplingOptions options() {
    return options;
  }

  /** Tells of a token that was not chosen here. */
  void observe(int id) {
    sampler.observe(id);
  }

  /** What follows a hidden state. */
  int choose(Tensor hidden) {
    if (onDevice) {
      uniform[0] = random.nextFloat();
      decoder.choose(
          hidden, options.temperature(), options.topK(), options.topP(), uniform, chosen);
    } else {
      decoder.logits(hidden, (_, logits) -> chosen[0] = sampler.next(logits.segment()));
    }
    return chosen[0];
  }

  /** What follows by logits that were read already. */
  int choose(float[] logits) {
    return sampler.next(MemorySegment.ofArray(logits));
  }
}

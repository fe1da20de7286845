package io.mla4j.bench;

import io.mla4j.Batch;
import io.mla4j.LatentCache;
import io.mla4j.Sequence;
import io.mla4j.Tensor;
import io.mla4j.cpu.CpuDevice;
import io.mla4j.model.Decoder;
import java.util.Arrays;
import java.util.SplittableRandom;

/** A prompt into an empty cache, up to its first new token. */
final class PromptCase extends ModelCase {
  private final int[] ids;
  private final LatentCache cache;

  PromptCase(Decoder decoder, CpuDevice device, String name, int tokens) {
    super(
        axes("prompt", device, decoder, name, tokens, tokens),
        ModelWork.prompt(decoder, tokens),
        device,
        decoder);
    ids = new SplittableRandom(512).ints(tokens, 0, decoder.model().vocabulary()).toArray();
    cache = decoder.newCache(1, tokens);
  }

  @Override
  void run() {
    try (Sequence sequence = cache.newSequence()) {
      Tensor hidden = null;
      int last = 0;
      for (int begin = 0; begin < ids.length; begin += decoder.options().chunk()) {
        int end = Math.min(ids.length, begin + decoder.options().chunk());
        hidden = decoder.forward(Batch.of(sequence), Arrays.copyOfRange(ids, begin, end));
        last = end - begin - 1;
      }
      likeliest(hidden.slice(last, 1));
    }
  }

  @Override
  double tokensOfAnOperation() {
    return ids.length;
  }

  @Override
  boolean isBoundByMemory() {
    return false;
  }

  @Override
  public void close() {
    cache.close();
  }
}

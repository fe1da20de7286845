package io.mla4j.bench;

import io.mla4j.Batch;
import io.mla4j.LatentCache;
import io.mla4j.Sequence;
import io.mla4j.checkpoint.WeightTable;
import io.mla4j.cpu.CpuDevice;
import io.mla4j.model.Decoder;
import java.util.Arrays;
import java.util.SplittableRandom;

/** A prompt into an empty cache, up to its first new token. */
final class PromptCase extends ModelCase {
  private final int[] ids;
  private final LatentCache cache;

  PromptCase(Decoder decoder, WeightTable weights, CpuDevice device, String name, int tokens) {
    super(
        axes("prompt", device, decoder, name, tokens, tokens),
        ModelWork.prompt(decoder, weights, tokens),
        device,
        decoder);
    ids = new SplittableRandom(512).ints(tokens, 0, decoder.model().vocabulary()).toArray();
    cache = decoder.newCache(1, tokens);
  }

  @Override
  void run() {
    try (Sequence sequence = cache.newSequence()) {
      Batch batch = Batch.of(sequence);
      int chunk = decoder.options().chunk();
      int begin = 0;
      for (; begin + chunk < ids.length; begin += chunk) {
        decoder.append(batch, Arrays.copyOfRange(ids, begin, begin + chunk));
      }
      likeliest(decoder.forwardLast(batch, Arrays.copyOfRange(ids, begin, ids.length)));
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

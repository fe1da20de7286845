package io.mla4j.bench;

import io.mla4j.Attention;
import io.mla4j.AttentionForm;
import io.mla4j.Batch;
import io.mla4j.DecodePlan;
import io.mla4j.LatentCache;
import io.mla4j.MlaShape;
import io.mla4j.Sequence;
import io.mla4j.Step;
import io.mla4j.checkpoint.WeightTable;
import io.mla4j.cpu.CpuDevice;
import io.mla4j.model.Decoder;
import io.mla4j.ops.AttentionScore;
import io.mla4j.ops.Tensor;
import java.lang.foreign.Arena;

/**
 * Greedy generation behind a context; a token is an operation. The context's rows are random: what
 * they mean does not change the time, and reading a real one would take longer than all the rest.
 */
final class GenerationCase extends ModelCase {
  /** Tokens that are written to the cache at once. */
  private static final int CHUNK = 1024;

  private final int context;
  private final int tokens;
  private final LatentCache cache;
  private final Sequence sequence;
  private final Batch batch;

  GenerationCase(
      Decoder decoder,
      WeightTable weights,
      CpuDevice device,
      String name,
      int context,
      int tokens) {
    super(
        axes("generate", device, decoder, name, context, 1),
        ModelWork.generation(decoder, weights, context, tokens),
        device,
        decoder);
    this.context = context;
    this.tokens = tokens;
    cache = decoder.newCache(1, context + tokens);
    sequence = cache.newSequence();
    batch = Batch.of(sequence);
    fill();
  }

  private void fill() {
    MlaShape shape = ModelWork.shape(decoder);
    Attention attention =
        Attention.absorbed(cache, shape.heads(), AttentionScore.of(1), decoder.options().compute());
    try (Arena arena = Arena.ofShared()) {
      Tensor rows = RandomNumbers.floats(device, arena, 1, CHUNK, shape.cached());
      while (sequence.length() < context) {
        int n = Math.min(CHUNK, context - sequence.length());
        try (Step step = batch.reserve(n)) {
          MlaShape latents =
              new MlaShape(
                  shape.heads(), shape.latent(), shape.rope(), shape.latent(), shape.latent());
          DecodePlan plan = step.plan(latents, AttentionForm.ABSORBED);
          for (int layer = 0; layer < cache.layers(); layer++) {
            attention.append(plan, layer, rows.first(n));
          }
          step.commit();
        }
      }
    }
  }

  @Override
  void run() {
    int id = 1;
    for (int i = 0; i < tokens; i++) {
      id = likeliest(decoder.forward(batch, new int[] {id}));
    }
    sequence.truncate(context);
  }

  @Override
  int operationsOfARun() {
    return tokens;
  }

  @Override
  double tokensOfAnOperation() {
    return 1;
  }

  @Override
  boolean isBoundByMemory() {
    return true;
  }

  @Override
  public void close() {
    sequence.close();
    cache.close();
  }
}

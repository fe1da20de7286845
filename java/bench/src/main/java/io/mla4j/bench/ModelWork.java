package io.mla4j.bench;

import io.mla4j.LatentLayout;
import io.mla4j.MlaShape;
import io.mla4j.model.Decoder;
import io.mla4j.model.FfnDescription;
import io.mla4j.model.LayerDescription;
import io.mla4j.model.ModelDescription;

/**
 * FLOP and bytes of whole models: two FLOP for each weight that a token meets, and attention in the
 * form with fewer FLOP; bytes of these weights as bf16, and of the cache.
 */
final class ModelWork {
  private static final int WEIGHT_BYTES = 2;

  private ModelWork() {}

  /**
   * A prompt into an empty cache; the output projection of its last token, for which alone the last
   * layer does more than fill the cache.
   */
  static Work prompt(Decoder decoder, int tokens) {
    ModelDescription model = decoder.model();
    long flop = 2L * model.hidden() * model.vocabulary();
    long weights = (long) model.hidden() * model.vocabulary();
    for (LayerDescription layer : model.layers()) {
      MlaShape s = layer.attention().shape();
      int queries = layer == model.layers().getLast() ? 1 : tokens;
      long latentDown = (long) model.hidden() * (s.latent() + s.rope());
      flop += 2L * tokens * latentDown;
      flop += 2L * queries * (linearWeights(model, layer, false) - latentDown);
      flop += attention(s, Work.visiblePairs(queries, tokens), queries, tokens);
      weights += linearWeights(model, layer, true) + latentUp(s);
    }
    return new Work(flop, weights * WEIGHT_BYTES, cacheBytes(decoder, tokens));
  }

  /** One token, on average over {@code tokens} behind {@code context}. */
  static Work generation(Decoder decoder, int context, int tokens) {
    ModelDescription model = decoder.model();
    int mean = context + (tokens + 1) / 2;
    long flop = 2L * model.hidden() * model.vocabulary();
    long weights = (long) model.hidden() * model.vocabulary();
    for (LayerDescription layer : model.layers()) {
      MlaShape s = layer.attention().shape();
      flop += 2L * linearWeights(model, layer, false);
      flop += attention(s, mean, 1, mean);
      weights += linearWeights(model, layer, false) + latentUp(s);
    }
    long cache = cacheBytes(decoder, mean);
    return new Work(flop, weights * WEIGHT_BYTES + cache * model.layers().size(), cache);
  }

  private static long attention(MlaShape s, long pairs, long queries, long tokens) {
    long absorbed =
        Work.absorbedFlop(s.heads(), pairs, s.latent(), s.rope()) + 2 * queries * latentUp(s);
    long decompressed =
        Work.decompressedFlop(s.heads(), pairs, tokens, s.latent(), s.rope(), s.nope(), s.value());
    return Math.min(absorbed, decompressed);
  }

  private static long latentUp(MlaShape s) {
    return (long) s.heads() * (s.nope() + s.value()) * s.latent();
  }

  /** Weights of a layer but W_UK and W_UV; of experts, those of a token or all. */
  private static long linearWeights(
      ModelDescription model, LayerDescription layer, boolean allExperts) {
    MlaShape s = layer.attention().shape();
    long hidden = model.hidden();
    long query = (long) s.heads() * s.query();
    long latent = layer.attention().queryLatent().orElse(0);
    long sum = latent == 0 ? query * hidden : latent * (hidden + query);
    sum += hidden * (s.latent() + s.rope());
    sum += hidden * s.heads() * s.value();
    return sum
        + switch (layer.ffn()) {
          case FfnDescription.Dense dense -> 3 * hidden * dense.width();
          case FfnDescription.Mixture mixture -> {
            int experts = allExperts ? mixture.routing().experts() : mixture.routing().topK();
            yield hidden * mixture.routing().experts()
                + 3 * hidden * ((long) experts * mixture.expertWidth() + mixture.sharedWidth());
          }
        };
  }

  private static long cacheBytes(Decoder decoder, long tokens) {
    MlaShape shape = decoder.model().layers().getFirst().attention().shape();
    return tokens * LatentLayout.of(shape, decoder.options().cacheType()).rowStrideBytes();
  }
}

package io.mla4j.bench;

import io.mla4j.MlaShape;
import io.mla4j.checkpoint.AttentionDescription;
import io.mla4j.checkpoint.FfnDescription;
import io.mla4j.checkpoint.LayerDescription;
import io.mla4j.checkpoint.StoredTensor;
import io.mla4j.checkpoint.TensorRole;
import io.mla4j.checkpoint.WeightTable;
import io.mla4j.model.Decoder;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * FLOP and bytes of whole models: two FLOP for each weight that a token meets, and attention in the
 * form with fewer FLOP, whichever ran; bytes of these weights as they are stored, and of the cache.
 */
final class ModelWork {
  private ModelWork() {}

  /** Weights: how many, and their bytes. */
  private record Matrices(long count, long bytes) {
    static Matrices of(StoredTensor... tensors) {
      return new Matrices(
          Arrays.stream(tensors).mapToLong(StoredTensor::elements).sum(),
          Arrays.stream(tensors).mapToLong(t -> t.segment().byteSize()).sum());
    }

    static Matrices of(WeightTable.Layer layer, TensorRole... roles) {
      return of(
          Arrays.stream(roles).map(layer::all).flatMap(List::stream).toArray(StoredTensor[]::new));
    }

    Matrices and(Matrices other) {
      return new Matrices(count + other.count, bytes + other.bytes);
    }

    Matrices part(int some, int all) {
      return new Matrices(count * some / all, bytes * some / all);
    }
  }

  /**
   * A prompt into an empty cache; the output projection of its last token, for which alone the last
   * layer does more than fill the cache.
   */
  static Work prompt(Decoder decoder, WeightTable table, int tokens) {
    long flop = 2 * Matrices.of(table.output()).count();
    long bytes = Matrices.of(table.output()).bytes();
    int layers = table.layers().size();
    for (int i = 0; i < layers; i++) {
      LayerDescription layer = decoder.model().layers().get(i);
      WeightTable.Layer weights = table.layers().get(i);
      int queries = i == layers - 1 ? 1 : tokens;
      long cached =
          Matrices.of(weights, TensorRole.LATENT_DOWN, TensorRole.KEY, TensorRole.VALUE).count();
      flop += 2L * tokens * cached;
      flop += 2L * queries * (linear(layer, weights, false).count() - cached);
      flop += attention(layer, Work.visiblePairs(queries, tokens), queries, tokens);
      bytes += linear(layer, weights, queries > 1).and(latentUp(weights)).bytes();
    }
    return new Work(flop, bytes, cacheBytes(decoder, tokens));
  }

  /** One token, on average over {@code tokens} behind {@code context}. */
  static Work generation(Decoder decoder, WeightTable table, int context, int tokens) {
    Token token = token(decoder, table, context + (tokens + 1) / 2);
    return new Work(
        token.matrices.flop() + token.attention.flop(),
        token.matrices.bytes() + token.attention.bytes(),
        token.attention.cacheBytes());
  }

  /**
   * What one token is made of.
   *
   * @param matrices every weight once
   * @param attention to what is cached, in all layers
   */
  record Token(Work matrices, Work attention) {}

  /** One token that sees {@code visible} tokens, itself among them. */
  static Token token(Decoder decoder, WeightTable table, int visible) {
    long flop = 2 * Matrices.of(table.output()).count();
    long bytes = Matrices.of(table.output()).bytes();
    long attention = 0;
    for (int i = 0; i < table.layers().size(); i++) {
      LayerDescription layer = decoder.model().layers().get(i);
      WeightTable.Layer weights = table.layers().get(i);
      Matrices linear = linear(layer, weights, false);
      flop += 2 * linear.count();
      attention += attention(layer, visible, 1, visible);
      bytes += linear.and(latentUp(weights)).bytes();
    }
    long cache = cacheBytes(decoder, visible);
    return new Token(
        new Work(flop, bytes, 0), new Work(attention, cache * table.layers().size(), cache));
  }

  private static long attention(LayerDescription layer, long pairs, long queries, long tokens) {
    if (layer.attention() instanceof AttentionDescription.Grouped grouped) {
      return 4L * grouped.heads() * pairs * grouped.width();
    }
    MlaShape s = layer.mla().shape();
    long latentUp = (long) s.heads() * (s.nope() + s.value()) * s.latent();
    long absorbed =
        Work.absorbedFlop(s.heads(), pairs, s.latent(), s.rope()) + 2 * queries * latentUp;
    long decompressed =
        Work.decompressedFlop(s.heads(), pairs, tokens, s.latent(), s.rope(), s.nope(), s.value());
    return Math.min(absorbed, decompressed);
  }

  /** W_UK and W_UV. */
  private static Matrices latentUp(WeightTable.Layer weights) {
    return Matrices.of(weights, TensorRole.LATENT_UP);
  }

  /** All matrices of a layer but W_UK and W_UV; of experts, those of a token or all. */
  private static Matrices linear(
      LayerDescription layer, WeightTable.Layer weights, boolean allExperts) {
    Matrices all =
        Matrices.of(
            weights,
            TensorRole.QUERY,
            TensorRole.QUERY_DOWN,
            TensorRole.QUERY_UP,
            TensorRole.LATENT_DOWN,
            TensorRole.KEY,
            TensorRole.VALUE,
            TensorRole.OUTPUT_GATE,
            TensorRole.ATTENTION_OUTPUT,
            TensorRole.DENSE_GATE,
            TensorRole.DENSE_UP,
            TensorRole.DENSE_DOWN,
            TensorRole.ROUTER,
            TensorRole.SHARED_GATE,
            TensorRole.SHARED_UP,
            TensorRole.SHARED_DOWN);
    Optional<FfnDescription.Mixture> mixture =
        layer.ffn() instanceof FfnDescription.Mixture own ? Optional.of(own) : layer.shortcut();
    if (mixture.isEmpty()) {
      return all;
    }
    // Of those without weights a token chooses as many as of the others, by their number.
    int experts = mixture.get().routing().experts();
    return all.and(
        Matrices.of(weights, TensorRole.EXPERT_GATE, TensorRole.EXPERT_UP, TensorRole.EXPERT_DOWN)
            .part(allExperts ? experts : mixture.get().routing().topK(), experts));
  }

  /** Of the heads that share rows of the cache. */
  static MlaShape shape(Decoder decoder) {
    return decoder
        .model()
        .grouped()
        .map(AttentionDescription.Grouped::groupShape)
        .orElseGet(decoder.model()::shape);
  }

  /** Query heads of a layer. */
  static int heads(Decoder decoder) {
    return decoder
        .model()
        .grouped()
        .map(AttentionDescription.Grouped::heads)
        .orElseGet(() -> decoder.model().shape().heads());
  }

  private static long cacheBytes(Decoder decoder, long tokens) {
    return tokens * decoder.model().cacheBytesPerLayer(decoder.options().cacheType());
  }
}

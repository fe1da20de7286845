package io.mla4j.checkpoint;

import io.mla4j.MlaShape;
import io.mla4j.StateLayout;
import java.util.ArrayList;
import java.util.List;

/**
 * Tensors that a layer has by its description: one, or one for each expert.
 *
 * @param count of the tensors of this role
 * @param optional whether it may be absent
 * @param shape of each; of rank 1 for norms and biases
 * @param apart what may be there instead of it
 */
public record TensorNeed(
    TensorRole role, int count, boolean optional, List<Long> shape, List<TensorNeed> apart) {
  /** Tensors that nothing else can stand for. */
  public TensorNeed(TensorRole role, int count, boolean optional, List<Long> shape) {
    this(role, count, optional, shape, List.of());
  }

  /** What {@code layer} needs in a model of width {@code hidden}. */
  public static List<TensorNeed> of(LayerDescription layer, int hidden) {
    List<TensorNeed> needs = new ArrayList<>();
    needs.add(one(TensorRole.ATTENTION_NORM, hidden));
    switch (layer.attention()) {
      case AttentionDescription.Mla mla -> addMla(needs, mla, hidden);
      case AttentionDescription.Kda kda -> addKda(needs, kda, hidden);
      case AttentionDescription.Grouped grouped -> addGrouped(needs, grouped, hidden);
    }
    needs.add(one(TensorRole.FFN_NORM, hidden));
    switch (layer.ffn()) {
      case FfnDescription.Dense dense -> {
        if (dense.activation() == FfnDescription.Activation.SWIGLU) {
          needs.add(one(TensorRole.DENSE_GATE, dense.width(), hidden));
        }
        needs.add(one(TensorRole.DENSE_UP, dense.width(), hidden));
        needs.add(one(TensorRole.DENSE_DOWN, hidden, dense.width()));
      }
      case FfnDescription.Mixture mixture -> addMixture(needs, mixture, hidden);
    }
    layer.shortcut().ifPresent(mixture -> addMixture(needs, mixture, hidden));
    return needs;
  }

  /** What a layer that predicts a token further needs before its block. */
  static List<TensorNeed> ofPredictor(int hidden) {
    return List.of(
        one(TensorRole.PREDICTOR_EMBEDDING_NORM, hidden),
        one(TensorRole.PREDICTOR_STATE_NORM, hidden),
        one(TensorRole.PREDICTOR_JOIN, hidden, 2L * hidden));
  }

  private static void addMla(List<TensorNeed> needs, AttentionDescription.Mla mla, int hidden) {
    MlaShape shape = mla.shape();
    int queries = shape.heads() * shape.query();
    if (mla.queryLatent().isPresent()) {
      int width = mla.queryLatent().getAsInt();
      needs.add(one(TensorRole.QUERY_DOWN, width, hidden));
      needs.add(one(TensorRole.QUERY_NORM, width));
      needs.add(one(TensorRole.QUERY_UP, queries, width));
      if (mla.biases().query()) {
        needs.add(one(TensorRole.QUERY_DOWN_BIAS, width));
      }
    } else {
      needs.add(one(TensorRole.QUERY, queries, hidden));
      if (mla.biases().query()) {
        needs.add(one(TensorRole.QUERY_BIAS, queries));
      }
    }
    needs.add(one(TensorRole.LATENT_DOWN, shape.cached(), hidden));
    if (mla.latentNorm()) {
      needs.add(one(TensorRole.LATENT_NORM, shape.latent()));
    }
    needs.add(latentUp(shape));
    switch (mla.outputGate()) {
      case NONE -> {}
      case PER_HEAD -> needs.add(one(TensorRole.OUTPUT_GATE, shape.heads(), hidden));
      case PER_ELEMENT ->
          needs.add(one(TensorRole.OUTPUT_GATE, shape.heads() * shape.value(), hidden));
    }
    if (mla.indexer().isPresent() && !mla.indexer().get().shared()) {
      AttentionDescription.Indexer indexer = mla.indexer().get();
      int queryLatent = mla.queryLatent().orElseThrow();
      needs.add(one(TensorRole.INDEX_QUERY, indexer.heads() * indexer.width(), queryLatent));
      needs.add(one(TensorRole.INDEX_KEY, indexer.width(), hidden));
      needs.add(one(TensorRole.INDEX_KEY_NORM, indexer.width()));
      needs.add(one(TensorRole.INDEX_KEY_NORM_BIAS, indexer.width()));
      needs.add(one(TensorRole.INDEX_WEIGHTS, indexer.heads(), hidden));
    }
    needs.add(one(TensorRole.ATTENTION_OUTPUT, hidden, shape.heads() * shape.value()));
    if (mla.biases().latent()) {
      needs.add(one(TensorRole.LATENT_DOWN_BIAS, shape.cached()));
    }
    if (mla.biases().output()) {
      needs.add(one(TensorRole.ATTENTION_OUTPUT_BIAS, hidden));
    }
  }

  private static TensorNeed latentUp(MlaShape shape) {
    List<Long> fused =
        List.of((long) shape.heads() * (shape.nope() + shape.value()), (long) shape.latent());
    return new TensorNeed(
        TensorRole.LATENT_UP,
        1,
        false,
        fused,
        List.of(
            one(TensorRole.KEYS_UP, (long) shape.heads() * shape.latent(), shape.nope()),
            one(TensorRole.VALUES_UP, (long) shape.heads() * shape.value(), shape.latent())));
  }

  private static void addKda(List<TensorNeed> needs, AttentionDescription.Kda kda, int hidden) {
    int heads = kda.state().heads();
    int width = kda.state().width();
    int channels = heads * width;
    needs.add(one(TensorRole.DELTA_QUERY, channels, hidden));
    needs.add(one(TensorRole.DELTA_KEY, channels, hidden));
    needs.add(one(TensorRole.DELTA_VALUE, channels, hidden));
    needs.add(one(TensorRole.DELTA_QUERY_TAPS, channels, StateLayout.TAPS));
    needs.add(one(TensorRole.DELTA_KEY_TAPS, channels, StateLayout.TAPS));
    needs.add(one(TensorRole.DELTA_VALUE_TAPS, channels, StateLayout.TAPS));
    if (kda.lowRank().isPresent()) {
      int rank = kda.lowRank().getAsInt();
      needs.add(one(TensorRole.DELTA_DECAY_DOWN, rank, hidden));
      needs.add(one(TensorRole.DELTA_DECAY_UP, channels, rank));
      needs.add(one(TensorRole.DELTA_GATE_DOWN, rank, hidden));
      needs.add(one(TensorRole.DELTA_GATE_UP, channels, rank));
    } else {
      needs.add(one(TensorRole.DELTA_DECAY, channels, hidden));
      needs.add(one(TensorRole.DELTA_GATE, channels, hidden));
    }
    needs.add(one(TensorRole.DELTA_DECAY_BIAS, channels));
    needs.add(
        new TensorNeed(
            TensorRole.DELTA_LOG_RATES,
            1,
            false,
            List.of((long) heads),
            List.of(one(TensorRole.DELTA_RATES, heads))));
    needs.add(one(TensorRole.DELTA_BETA, heads, hidden));
    needs.add(one(TensorRole.DELTA_NORM, width));
    needs.add(one(TensorRole.DELTA_OUTPUT, hidden, channels));
  }

  private static void addGrouped(
      List<TensorNeed> needs, AttentionDescription.Grouped grouped, int hidden) {
    int queries = grouped.heads() * grouped.width();
    int keys = grouped.groups() * grouped.width();
    needs.add(one(TensorRole.QUERY, queries, hidden));
    needs.add(one(TensorRole.KEY, keys, hidden));
    needs.add(one(TensorRole.VALUE, keys, hidden));
    needs.add(one(TensorRole.ATTENTION_OUTPUT, hidden, queries));
    if (grouped.inputBias()) {
      needs.add(one(TensorRole.QUERY_BIAS, queries));
      needs.add(one(TensorRole.KEY_BIAS, keys));
      needs.add(one(TensorRole.VALUE_BIAS, keys));
    }
    if (grouped.outputBias()) {
      needs.add(one(TensorRole.ATTENTION_OUTPUT_BIAS, hidden));
    }
    if (grouped.headNorm()) {
      needs.add(one(TensorRole.QUERY_HEAD_NORM, grouped.width()));
      needs.add(one(TensorRole.KEY_HEAD_NORM, grouped.width()));
    }
  }

  private static void addMixture(
      List<TensorNeed> needs, FfnDescription.Mixture mixture, int hidden) {
    int experts = mixture.routing().experts();
    int width = mixture.expertWidth();
    int shared = mixture.sharedWidth();
    needs.add(one(TensorRole.ROUTER, experts, hidden));
    if (mixture.choiceBias() != FfnDescription.ChoiceBias.NONE) {
      boolean optional = mixture.choiceBias() == FfnDescription.ChoiceBias.OPTIONAL;
      needs.add(new TensorNeed(TensorRole.ROUTER_BIAS, 1, optional, List.of((long) experts)));
    }
    if (mixture.postNorm()) {
      needs.add(one(TensorRole.FFN_POST_NORM, hidden));
    }
    needs.add(several(TensorRole.EXPERT_GATE, mixture.networks(), width, hidden));
    needs.add(several(TensorRole.EXPERT_UP, mixture.networks(), width, hidden));
    needs.add(several(TensorRole.EXPERT_DOWN, mixture.networks(), hidden, width));
    if (shared > 0) {
      needs.add(one(TensorRole.SHARED_GATE, shared, hidden));
      needs.add(one(TensorRole.SHARED_UP, shared, hidden));
      needs.add(one(TensorRole.SHARED_DOWN, hidden, shared));
    }
  }

  private static TensorNeed one(TensorRole role, long width) {
    return new TensorNeed(role, 1, false, List.of(width));
  }

  private static TensorNeed one(TensorRole role, long rows, long columns) {
    return several(role, 1, rows, columns);
  }

  private static TensorNeed several(TensorRole role, int count, long rows, long columns) {
    return new TensorNeed(role, count, false, List.of(rows, columns));
  }
}

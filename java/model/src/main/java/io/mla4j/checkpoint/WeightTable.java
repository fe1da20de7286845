package io.mla4j.checkpoint;

import io.mla4j.MlaShape;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The tensors of a model by their place in it. Each was found under its name, has exactly the shape
 * that the description asks for, and a type that can be computed with; norm weights and biases are
 * finite.
 *
 * @param embedding (vocabulary, hidden)
 * @param finalNorm (hidden)
 * @param output (vocabulary, hidden); the embedding itself in a tied model
 * @param layers the blocks, first to last
 */
public record WeightTable(
    StoredTensor embedding, StoredTensor finalNorm, StoredTensor output, List<Layer> layers) {
  /** Keeps its own copy of the list. */
  public WeightTable {
    layers = List.copyOf(layers);
  }

  /**
   * One block.
   *
   * @param attentionNorm (hidden)
   * @param attention its attention
   * @param ffnNorm (hidden)
   * @param ffn its feed-forward network
   */
  public record Layer(
      StoredTensor attentionNorm, AttentionWeights attention, StoredTensor ffnNorm, Ffn ffn) {}

  /**
   * The tensors of an attention.
   *
   * @param query how the queries are made
   * @param latentDown (latent + rope, hidden)
   * @param latentDownBias (latent + rope)
   * @param latentNorm (latent)
   * @param latentUp (heads * (nope + value), latent)
   * @param output (hidden, heads * value)
   * @param outputBias (hidden)
   */
  public record AttentionWeights(
      Query query,
      StoredTensor latentDown,
      Optional<StoredTensor> latentDownBias,
      StoredTensor latentNorm,
      StoredTensor latentUp,
      StoredTensor output,
      Optional<StoredTensor> outputBias) {}

  /** How the queries are made. */
  public sealed interface Query {}

  /**
   * One projection.
   *
   * @param weight (heads * (nope + rope), hidden)
   */
  public record DirectQuery(StoredTensor weight) implements Query {}

  /**
   * Down, norm, up.
   *
   * @param down (qLora, hidden)
   * @param downBias (qLora)
   * @param norm (qLora)
   * @param up (heads * (nope + rope), qLora)
   */
  public record LatentQuery(
      StoredTensor down, Optional<StoredTensor> downBias, StoredTensor norm, StoredTensor up)
      implements Query {}

  /** A feed-forward network. */
  public sealed interface Ffn {}

  /**
   * A SwiGLU network.
   *
   * @param gate (inner, hidden)
   * @param up (inner, hidden)
   * @param down (hidden, inner)
   */
  public record Dense(StoredTensor gate, StoredTensor up, StoredTensor down) implements Ffn {}

  /**
   * A mixture of experts.
   *
   * @param router (experts, hidden)
   * @param bias (experts)
   * @param experts one network each
   * @param shared the shared experts as one network
   */
  public record Mixture(
      StoredTensor router, Optional<StoredTensor> bias, List<Dense> experts, Optional<Dense> shared)
      implements Ffn {
    /** Keeps its own copy of the list. */
    public Mixture {
      experts = List.copyOf(experts);
    }
  }

  /**
   * Finds every tensor of {@code model} in {@code checkpoint}.
   *
   * @throws CheckpointException naming the tensor that is missing, has another shape or type, is
   *     not finite, or belongs to a layer of the model without having a place in it
   */
  public static WeightTable resolve(ModelDescription model, Checkpoint checkpoint) {
    return new Resolver(model, checkpoint).resolve();
  }

  /** Looks tensors up and remembers which ones have a place. */
  private static final class Resolver {
    private final ModelDescription model;
    private final Checkpoint checkpoint;
    private final Set<String> used = new HashSet<>();

    Resolver(ModelDescription model, Checkpoint checkpoint) {
      this.model = model;
      this.checkpoint = checkpoint;
    }

    WeightTable resolve() {
      StoredTensor embedding =
          matrix(TensorRole.EMBEDDING, 0, 0, model.vocabulary(), model.hidden());
      StoredTensor finalNorm = vector(TensorRole.FINAL_NORM, 0, model.hidden());
      boolean serves = model.tied() && checkpoint.find(name(TensorRole.OUTPUT, 0, 0)).isEmpty();
      StoredTensor output =
          serves ? embedding : matrix(TensorRole.OUTPUT, 0, 0, model.vocabulary(), model.hidden());
      List<Layer> layers = new ArrayList<>();
      for (int l = 0; l < model.layers().size(); l++) {
        layers.add(layer(l, model.layers().get(l)));
      }
      refuseUnused();
      return new WeightTable(embedding, finalNorm, output, layers);
    }

    private Layer layer(int l, LayerDescription layer) {
      return new Layer(
          vector(TensorRole.ATTENTION_NORM, l, model.hidden()),
          attention(l, layer.mla()),
          vector(TensorRole.FFN_NORM, l, model.hidden()),
          switch (layer.ffn()) {
            case FfnDescription.Dense dense ->
                network(
                    TensorRole.DENSE_GATE,
                    TensorRole.DENSE_UP,
                    TensorRole.DENSE_DOWN,
                    l,
                    0,
                    dense.width());
            case FfnDescription.Mixture mixture -> mixture(l, mixture);
          });
    }

    private AttentionWeights attention(int l, AttentionDescription.Mla attention) {
      MlaShape shape = attention.shape();
      int hidden = model.hidden();
      int queries = shape.heads() * shape.query();
      Query query;
      if (attention.queryLatent().isPresent()) {
        int width = attention.queryLatent().getAsInt();
        query =
            new LatentQuery(
                matrix(TensorRole.QUERY_DOWN, l, 0, width, hidden),
                bias(attention, TensorRole.QUERY_DOWN_BIAS, l, width),
                vector(TensorRole.QUERY_NORM, l, width),
                matrix(TensorRole.QUERY_UP, l, 0, queries, width));
      } else {
        query = new DirectQuery(matrix(TensorRole.QUERY, l, 0, queries, hidden));
      }
      return new AttentionWeights(
          query,
          matrix(TensorRole.LATENT_DOWN, l, 0, shape.cached(), hidden),
          bias(attention, TensorRole.LATENT_DOWN_BIAS, l, shape.cached()),
          vector(TensorRole.LATENT_NORM, l, shape.latent()),
          matrix(
              TensorRole.LATENT_UP,
              l,
              0,
              shape.heads() * (shape.nope() + shape.value()),
              shape.latent()),
          matrix(TensorRole.ATTENTION_OUTPUT, l, 0, hidden, shape.heads() * shape.value()),
          bias(attention, TensorRole.ATTENTION_OUTPUT_BIAS, l, hidden));
    }

    private Mixture mixture(int l, FfnDescription.Mixture mixture) {
      int experts = mixture.routing().experts();
      StoredTensor router = matrix(TensorRole.ROUTER, l, 0, experts, model.hidden());
      boolean absent = checkpoint.find(name(TensorRole.ROUTER_BIAS, l, 0)).isEmpty();
      boolean noBias =
          switch (mixture.choiceBias()) {
            case NONE -> true;
            case OPTIONAL -> absent;
            case REQUIRED -> false;
          };
      Optional<StoredTensor> bias =
          noBias ? Optional.empty() : Optional.of(vector(TensorRole.ROUTER_BIAS, l, experts));
      List<Dense> networks = new ArrayList<>();
      for (int e = 0; e < experts; e++) {
        networks.add(
            network(
                TensorRole.EXPERT_GATE,
                TensorRole.EXPERT_UP,
                TensorRole.EXPERT_DOWN,
                l,
                e,
                mixture.expertWidth()));
      }
      Optional<Dense> shared =
          mixture.sharedWidth() == 0
              ? Optional.empty()
              : Optional.of(
                  network(
                      TensorRole.SHARED_GATE,
                      TensorRole.SHARED_UP,
                      TensorRole.SHARED_DOWN,
                      l,
                      0,
                      mixture.sharedWidth()));
      return new Mixture(router, bias, networks, shared);
    }

    private Dense network(
        TensorRole gate, TensorRole up, TensorRole down, int layer, int expert, int width) {
      return new Dense(
          matrix(gate, layer, expert, width, model.hidden()),
          matrix(up, layer, expert, width, model.hidden()),
          matrix(down, layer, expert, model.hidden(), width));
    }

    private Optional<StoredTensor> bias(
        AttentionDescription.Mla attention, TensorRole role, int layer, int width) {
      return attention.bias() ? Optional.of(vector(role, layer, width)) : Optional.empty();
    }

    private StoredTensor matrix(TensorRole role, int layer, int expert, long rows, long columns) {
      return find(name(role, layer, expert), List.of(rows, columns));
    }

    /**
     * Norm weights and biases: small enough to look at every number, and one that is not finite
     * spoils every token.
     */
    private StoredTensor vector(TensorRole role, int layer, long width) {
      StoredTensor tensor = find(name(role, layer, 0), List.of(width));
      float[] values = tensor.toFloats();
      for (int i = 0; i < values.length; i++) {
        if (!Float.isFinite(values[i])) {
          throw tensor.error("has " + values[i] + " at index " + i + ", but must be finite");
        }
      }
      return tensor;
    }

    private StoredTensor find(String name, List<Long> shape) {
      StoredTensor tensor = checkpoint.get(name);
      if (!tensor.shape().equals(shape)) {
        throw tensor.error(
            "has shape " + tensor.shape() + ", but the configuration asks for " + shape);
      }
      if (!tensor.type().isWeight()) {
        throw tensor.error(
            "has dtype " + tensor.type() + ", but weights must have one of F32, BF16, F16");
      }
      used.add(name);
      return tensor;
    }

    private String name(TensorRole role, int layer, int expert) {
      return model.names().name(role, layer, expert);
    }

    /**
     * A tensor inside of a layer that has no place in it says that the layer computes something
     * else.
     */
    private void refuseUnused() {
      Pattern layer = model.names().layerPattern();
      for (StoredTensor tensor : checkpoint.tensors().values()) {
        Matcher matcher = layer.matcher(tensor.name());
        if (matcher.matches()
            && Integer.parseInt(matcher.group(1)) < model.layers().size()
            && !used.contains(tensor.name())
            && !model.names().ignores(tensor.name())) {
          throw tensor.error("has no place in a model of type " + model.family());
        }
      }
    }
  }
}

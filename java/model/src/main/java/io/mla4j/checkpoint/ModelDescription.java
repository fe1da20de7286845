package io.mla4j.checkpoint;

import io.mla4j.CacheType;
import io.mla4j.InvalidStateException;
import io.mla4j.LatentLayout;
import io.mla4j.MlaShape;
import io.mla4j.StateLayout;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.Stream;

/**
 * Everything about a model but its weights, as the decoder needs it: families differ in these
 * numbers, not in code.
 *
 * <p>{@code h = embedScale * embedding[id]}; the layers; {@code logits = output(outputScale *
 * norm(h))}.
 *
 * @param family {@code model_type} of config.json
 * @param vocabulary rows of the embedding
 * @param hidden width of the model
 * @param normEps epsilon of the block norms and of the final norm
 * @param context the most tokens that a sequence may have
 * @param tied whether the embedding serves as output projection where the checkpoint has none
 * @param embedScale factor on embeddings
 * @param residualScale factor on every branch before it is added
 * @param outputScale factor on the final norm before the output projection
 * @param layers the blocks, first to last
 * @param bos the id that starts a text, where there is one
 * @param eos the ids that end a text, ascending
 * @param names the names of the tensors
 */
public record ModelDescription(
    String family,
    int vocabulary,
    int hidden,
    float normEps,
    int context,
    boolean tied,
    float embedScale,
    float residualScale,
    float outputScale,
    List<LayerDescription> layers,
    OptionalInt bos,
    List<Integer> eos,
    TensorNames names) {
  /** Keeps its own copies of the lists. */
  public ModelDescription {
    layers = List.copyOf(layers);
    eos = List.copyOf(eos);
  }

  /** The same model with its tensors elsewhere. */
  ModelDescription withNames(TensorNames other) {
    return with(layers, other);
  }

  /** The same model with other layers, for texts of at most {@code otherContext} tokens. */
  ModelDescription with(List<LayerDescription> others, int otherContext) {
    return with(others, names, otherContext);
  }

  /**
   * The same model for texts of at most so many tokens, whether it was trained for them or not: for
   * measurements of time and memory.
   */
  public ModelDescription withContext(int otherContext) {
    return with(layers, otherContext);
  }

  private ModelDescription with(List<LayerDescription> others, TensorNames otherNames) {
    return with(others, otherNames, context);
  }

  private ModelDescription with(
      List<LayerDescription> others, TensorNames otherNames, int otherContext) {
    return new ModelDescription(
        family,
        vocabulary,
        hidden,
        normEps,
        otherContext,
        tied,
        embedScale,
        residualScale,
        outputScale,
        others,
        bos,
        eos,
        otherNames);
  }

  /**
   * The layer behind the last that predicts a token further (multi-token prediction, DeepSeek-V3
   * section 2.2), as a model of one layer, whose block is like the last one; none where the family
   * has no such layer. Whether a checkpoint has its tensors is told by {@link
   * WeightTable#resolvePredictor}.
   *
   * <p>h'(t) = norm(block(W [norm(embedding(t + 1)) ; norm(h(t))])), where h(t) is the hidden state
   * of token t behind the final norm: its logits are those of token t + 2.
   */
  public Optional<ModelDescription> predictor() {
    return predictor(0);
  }

  /** The one of layer {@code i} behind the last. */
  Optional<ModelDescription> predictor(int i) {
    LayerDescription last = layers.getLast();
    boolean alone =
        last.shortcut().isEmpty()
            && last.attention() instanceof AttentionDescription.Mla mla
            && mla.indexer().filter(AttentionDescription.Indexer::shared).isEmpty();
    if (names.predictor().isEmpty() || !alone) {
      return Optional.empty();
    }
    return Optional.of(with(List.of(last), names.ofPredictor(names.layerOf(layers.size()) + i)));
  }

  /** Whether a token's rotation depends on how long its text is. */
  public boolean dependsOnLength() {
    return layers.stream()
        .flatMap(layer -> layer.attention().rotation().stream())
        .anyMatch(rope -> rope.scaling().dependsOnLength());
  }

  /**
   * The shape of attention of the first layer that attends to latents, which is one for all of them
   * unless there are {@link #furtherRows}.
   *
   * @throws InvalidStateException where the model {@linkplain #grouped caches keys and values}
   */
  public MlaShape shape() {
    return latentAttentions()
        .findFirst()
        .orElseThrow(
            () -> new InvalidStateException("a model of type " + family + " has no latents"))
        .shape();
  }

  /** What a model without latents attends with, the same in all layers. */
  public Optional<AttentionDescription.Grouped> grouped() {
    return layers.getFirst().attention() instanceof AttentionDescription.Grouped grouped
        ? Optional.of(grouped)
        : Optional.empty();
  }

  /**
   * A row of the first layer's cache: a latent and the key of all heads, or a value and its key.
   */
  public LatentLayout rows(CacheType type) {
    return LatentLayout.of(
        grouped().map(AttentionDescription.Grouped::groupShape).orElseGet(this::shape), type);
  }

  /** Bytes of the cache for one token in a layer that has some, without an indexer's keys. */
  public long cacheBytesPerLayer(CacheType type) {
    int each = grouped().map(AttentionDescription.Grouped::cacheLayers).orElse(1);
    return rows(type).tokenBytes() * each;
  }

  /** How many layers the cache has with {@link #rows}. */
  public int cacheLayers() {
    AttentionDescription first =
        layers.stream()
            .map(LayerDescription::attention)
            .filter(attention -> attention.cacheLayers() > 0)
            .findFirst()
            .orElseThrow();
    return cacheLayersLike(first, layers.size());
  }

  /**
   * The rows of layers whose latents have other widths than {@link #rows}, and how many layers have
   * each: groups of the cache in this order.
   */
  public Map<LatentLayout, Integer> furtherRows(CacheType type) {
    Map<LatentLayout, Integer> further = new LinkedHashMap<>();
    latentAttentions()
        .map(AttentionDescription.Mla::shape)
        .filter(shape -> !hasRowsOf(shape, shape()))
        .forEach(shape -> further.merge(LatentLayout.of(shape, type), 1, Integer::sum));
    return further;
  }

  private static boolean hasRowsOf(MlaShape one, MlaShape other) {
    return one.latent() == other.latent() && one.rope() == other.rope();
  }

  /**
   * The first layer, among those of the cache with its rows, that holds rows of layer {@code i}.
   */
  public int cacheLayer(int i) {
    return cacheLayersLike(layers.get(i).attention(), i);
  }

  /** Layers of the cache that the first {@code count} layers with such rows have. */
  private int cacheLayersLike(AttentionDescription attention, int count) {
    int found = 0;
    for (LayerDescription layer : layers.subList(0, count)) {
      boolean differs =
          attention instanceof AttentionDescription.Mla one
              && layer.attention() instanceof AttentionDescription.Mla other
              && one != other
              && !hasRowsOf(one.shape(), other.shape());
      found += differs ? 0 : layer.attention().cacheLayers();
    }
    return found;
  }

  /** What chooses the tokens of sparse attention, where the model has such layers. */
  public Optional<AttentionDescription.Indexer> indexer() {
    return latentAttentions().flatMap(mla -> mla.indexer().stream()).findFirst();
  }

  /** How many layers have an indexer of their own. */
  public int indexLayers() {
    return indexLayer(layers.size());
  }

  /** The rows of the cache that hold an indexer's keys, where the model has such layers. */
  public Optional<LatentLayout> indexRows(CacheType type) {
    return indexer().map(indexer -> new LatentLayout(indexer.width(), 0, type.ofKeys()));
  }

  /** Bytes of the cache for one token in all layers: its rows, and an indexer's keys. */
  public long cacheBytesPerToken(CacheType type) {
    long latents = rows(type).tokenBytes() * cacheLayers();
    for (Map.Entry<LatentLayout, Integer> rows : furtherRows(type).entrySet()) {
      latents += rows.getKey().tokenBytes() * rows.getValue();
    }
    long keys = indexRows(type).map(LatentLayout::tokenBytes).orElse(0L) * indexLayers();
    return latents + keys;
  }

  /** The number of layer {@code i} among those that have an indexer of their own. */
  public int indexLayer(int i) {
    return (int)
        layers.subList(0, i).stream()
            .filter(
                layer ->
                    layer.attention() instanceof AttentionDescription.Mla mla
                        && mla.indexer().isPresent()
                        && !mla.indexer().get().shared())
            .count();
  }

  /** What the layers with a state of a recurrence remember, one shape for all of them. */
  public Optional<StateLayout> state() {
    return layers.stream()
        .map(LayerDescription::attention)
        .filter(AttentionDescription.Kda.class::isInstance)
        .map(attention -> ((AttentionDescription.Kda) attention).state())
        .findFirst();
  }

  /** Bytes of the states of one sequence: a step writes beside what it reads, so two a layer. */
  public long stateBytes() {
    return 2L * stateLayers() * state().map(StateLayout::bytes).orElse(0L);
  }

  /** How many layers have a state of a recurrence. */
  public int stateLayers() {
    return stateLayer(layers.size());
  }

  /** The number of layer {@code i} among those that have a state. */
  public int stateLayer(int i) {
    return (int)
        layers.subList(0, i).stream()
            .filter(layer -> layer.attention() instanceof AttentionDescription.Kda)
            .count();
  }

  private Stream<AttentionDescription.Mla> latentAttentions() {
    return layers.stream()
        .map(LayerDescription::attention)
        .filter(AttentionDescription.Mla.class::isInstance)
        .map(AttentionDescription.Mla.class::cast);
  }
}

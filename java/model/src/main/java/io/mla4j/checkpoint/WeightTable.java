package io.mla4j.checkpoint;

import io.mla4j.ops.StorageFormat;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
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
 * @param files that hold them
 */
public record WeightTable(
    StoredTensor embedding,
    StoredTensor finalNorm,
    StoredTensor output,
    List<Layer> layers,
    OpenFiles files) {
  /** Keeps its own copy of the list. */
  public WeightTable {
    layers = List.copyOf(layers);
  }

  /** Whether more than half of the bytes of its matrices are integers under scales. */
  public boolean isQuantised() {
    long all = 0;
    long quantised = 0;
    for (Layer layer : layers) {
      for (List<StoredTensor> tensors : layer.tensors.values()) {
        for (StoredTensor tensor : tensors) {
          all += tensor.bytes();
          quantised += tensor.isQuantised() ? tensor.bytes() : 0;
        }
      }
    }
    return 2 * quantised > all;
  }

  /**
   * One block.
   *
   * @param tensors of each role that the block has: one, or one for each expert
   */
  public record Layer(Map<TensorRole, List<StoredTensor>> tensors) {
    /** Keeps its own copy of the map. */
    public Layer {
      tensors = Collections.unmodifiableMap(new EnumMap<>(tensors));
    }

    /** Whether the block has tensors of {@code role}. */
    public boolean has(TensorRole role) {
      return tensors.containsKey(role);
    }

    /** Every tensor of {@code role}, none where the block has no such role. */
    public List<StoredTensor> all(TensorRole role) {
      return tensors.getOrDefault(role, List.of());
    }
  }

  /**
   * Finds every tensor of {@code model} in {@code checkpoint}.
   *
   * @throws CheckpointException naming the tensor that is missing, has another shape or type, is
   *     not finite, or belongs to a layer of the model without having a place in it
   */
  public static WeightTable resolve(ModelDescription model, Checkpoint checkpoint) {
    try {
      return new Resolver(model, checkpoint).resolve();
    } catch (InternalError e) {
      throw checkpoint.files().unreadable(e);
    }
  }

  /**
   * Finds every tensor of a model's {@linkplain ModelDescription#predictor predictor}: its one
   * layer has those that join embeddings and hidden states too.
   *
   * @throws CheckpointException naming the tensor that is missing, has another shape or type, or is
   *     not finite
   */
  public static WeightTable resolvePredictor(ModelDescription predictor, Checkpoint checkpoint) {
    try {
      return new Resolver(predictor, checkpoint).resolvePredictor();
    } catch (InternalError e) {
      throw checkpoint.files().unreadable(e);
    }
  }

  /**
   * Whether a checkpoint has the layer of a model's {@linkplain ModelDescription#predictor
   * predictor}, to judge by the projection that no other layer has.
   */
  public static boolean hasPredictor(ModelDescription predictor, Checkpoint checkpoint) {
    return new Resolver(predictor, checkpoint).exists(TensorRole.PREDICTOR_JOIN, 0);
  }

  /**
   * Everything that {@link #resolve} would refuse: each tensor that is missing or does not fit.
   *
   * @return nothing where it would succeed
   * @throws CheckpointException where a file got shorter while it was read
   */
  public static List<CheckpointException> problems(ModelDescription model, Checkpoint checkpoint) {
    try {
      return new Resolver(model, checkpoint).problems();
    } catch (InternalError e) {
      throw checkpoint.files().unreadable(e);
    }
  }

  /** Looks tensors up and remembers which ones have a place. */
  private static final class Resolver {
    private final ModelDescription model;
    private final Checkpoint checkpoint;
    private final ScaledTensors stored;

    Resolver(ModelDescription model, Checkpoint checkpoint) {
      this.model = model;
      this.checkpoint = checkpoint;
      this.stored = new ScaledTensors(checkpoint, model.names().quantization());
    }

    WeightTable resolve() {
      WeightTable table = around(this::layers);
      refuseUnused();
      return table;
    }

    private List<Layer> layers() {
      List<Layer> layers = new ArrayList<>();
      for (int l = 0; l < model.layers().size(); l++) {
        layers.add(layer(l, TensorNeed.of(model.layers().get(l), model.hidden())));
      }
      return layers;
    }

    WeightTable resolvePredictor() {
      // The projection first: what a checkpoint without such a layer is told to lack.
      List<TensorNeed> needs = new ArrayList<>(TensorNeed.ofPredictor(model.hidden()).reversed());
      needs.addAll(TensorNeed.of(model.layers().getFirst(), model.hidden()));
      List<Layer> layers = List.of(layer(0, needs));
      return around(() -> layers);
    }

    private WeightTable around(Supplier<List<Layer>> layers) {
      List<Long> table = List.of((long) model.vocabulary(), (long) model.hidden());
      StoredTensor embedding = find(TensorRole.EMBEDDING, 0, 1, table).getFirst();
      StoredTensor finalNorm =
          find(TensorRole.FINAL_NORM, 0, 1, List.of((long) model.hidden())).getFirst();
      boolean serves = model.tied() && !exists(TensorRole.OUTPUT, 0);
      StoredTensor output = serves ? embedding : find(TensorRole.OUTPUT, 0, 1, table).getFirst();
      return new WeightTable(embedding, finalNorm, output, layers.get(), checkpoint.files());
    }

    List<CheckpointException> problems() {
      List<CheckpointException> problems = new ArrayList<>();
      List<Long> table = List.of((long) model.vocabulary(), (long) model.hidden());
      attempt(problems, () -> find(TensorRole.EMBEDDING, 0, 1, table));
      attempt(problems, () -> find(TensorRole.FINAL_NORM, 0, 1, List.of((long) model.hidden())));
      if (!model.tied() || exists(TensorRole.OUTPUT, 0)) {
        attempt(problems, () -> find(TensorRole.OUTPUT, 0, 1, table));
      }
      for (int i = 0; i < model.layers().size(); i++) {
        int l = i;
        for (TensorNeed need : TensorNeed.of(model.layers().get(l), model.hidden())) {
          attempt(problems, () -> find(need, l, new EnumMap<>(TensorRole.class)));
        }
      }
      if (problems.isEmpty()) {
        attempt(problems, this::refuseUnused);
      }
      return problems;
    }

    private static void attempt(List<CheckpointException> problems, Runnable finding) {
      try {
        finding.run();
      } catch (CheckpointException e) {
        problems.add(e);
      }
    }

    private Layer layer(int l, List<TensorNeed> needs) {
      Map<TensorRole, List<StoredTensor>> tensors = new EnumMap<>(TensorRole.class);
      for (TensorNeed need : needs) {
        find(need, l, tensors);
      }
      return new Layer(tensors);
    }

    private boolean exists(TensorRole role, int layer) {
      return model.names().of(role).stream().anyMatch(place -> exists(place, layer));
    }

    private boolean exists(TensorPlace place, int layer) {
      return stored.exists(model.names().name(place, layer, 0));
    }

    /** The tensors of a need, or those that may be there instead. */
    private void find(TensorNeed need, int l, Map<TensorRole, List<StoredTensor>> tensors) {
      boolean exists = exists(need.role(), l);
      if (!exists && !need.apart().isEmpty() && exists(need.apart().getFirst().role(), l)) {
        need.apart().forEach(part -> find(part, l, tensors));
      } else if (exists || !need.optional()) {
        tensors.put(need.role(), find(need.role(), l, need.count(), need.shape()));
      }
    }

    /** The tensors of a role, from the first of its places that exists. */
    private List<StoredTensor> find(TensorRole role, int layer, int count, List<Long> shape) {
      List<TensorPlace> places = model.names().of(role);
      TensorPlace place =
          places.stream()
              .filter(candidate -> exists(candidate, layer))
              .findFirst()
              .orElse(places.getFirst());
      List<StoredTensor> found = new ArrayList<>(count);
      for (int e = 0; e < count; e++) {
        StoredTensor holder = stored.get(model.names().name(place, layer, e), shape);
        found.add(checked(role, place.in(holder, e, count, shape)));
      }
      return found;
    }

    private StoredTensor checked(TensorRole role, StoredTensor tensor) {
      if (!tensor.type().isWeight()) {
        throw tensor.error(
            "has dtype "
                + tensor.type()
                + ", but weights must have one of "
                + StorageFormat.weightNames());
      }
      if (tensor.type().needsScales() && tensor.scales().isEmpty()) {
        throw tensor.error("has dtype " + tensor.type() + ", but no scales");
      }
      if (tensor.shape().size() == 1 || role.isConvolution()) {
        checkpoint.files().fetch(tensor.segment());
        requireFinite(tensor);
      }
      return tensor;
    }

    /**
     * Norm weights, biases and convolutions: small enough to look at every element, and one that is
     * not finite spoils every token.
     */
    private static void requireFinite(StoredTensor tensor) {
      float[] values = tensor.toFloats();
      for (int i = 0; i < values.length; i++) {
        if (!Float.isFinite(values[i])) {
          throw tensor.error("has " + values[i] + " at index " + i + ", but must be finite");
        }
      }
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
            && Integer.parseInt(matcher.group(1))
                <= model.names().layerOf(model.layers().size() - 1)
            && !stored.used().contains(tensor.name())
            && !model.names().ignores(tensor.name())) {
          throw tensor.error("has no place in a model of type " + model.family());
        }
      }
    }
  }
}

package io.mla4j.checkpoint;

import io.mla4j.ops.StorageFormat;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
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
      List<Long> table = List.of((long) model.vocabulary(), (long) model.hidden());
      StoredTensor embedding = find(name(TensorRole.EMBEDDING, 0, 0), table);
      StoredTensor finalNorm =
          find(name(TensorRole.FINAL_NORM, 0, 0), List.of((long) model.hidden()));
      String output = name(TensorRole.OUTPUT, 0, 0);
      boolean serves = model.tied() && checkpoint.find(output).isEmpty();
      StoredTensor outputTensor = serves ? embedding : find(output, table);
      List<Layer> layers = new ArrayList<>();
      for (int l = 0; l < model.layers().size(); l++) {
        layers.add(layer(l, model.layers().get(l)));
      }
      refuseUnused();
      return new WeightTable(embedding, finalNorm, outputTensor, layers, checkpoint.files());
    }

    private Layer layer(int l, LayerDescription description) {
      Map<TensorRole, List<StoredTensor>> tensors = new EnumMap<>(TensorRole.class);
      for (TensorNeed need : TensorNeed.of(description, model.hidden())) {
        if (need.optional() && checkpoint.find(name(need.role(), l, 0)).isEmpty()) {
          continue;
        }
        List<StoredTensor> found = new ArrayList<>(need.count());
        for (int e = 0; e < need.count(); e++) {
          found.add(find(name(need.role(), l, e), need.shape()));
        }
        tensors.put(need.role(), found);
      }
      return new Layer(tensors);
    }

    private StoredTensor find(String name, List<Long> shape) {
      StoredTensor tensor = checkpoint.get(name);
      if (!tensor.shape().equals(shape)) {
        throw tensor.error(
            "has shape " + tensor.shape() + ", but the configuration asks for " + shape);
      }
      if (!tensor.type().isWeight()) {
        throw tensor.error(
            "has dtype "
                + tensor.type()
                + ", but weights must have one of "
                + StorageFormat.weightNames());
      }
      if (shape.size() == 1) {
        requireFinite(tensor);
      }
      used.add(name);
      return tensor;
    }

    /**
     * Norm weights and biases: small enough to look at every element, and one that is not finite
     * spoils every token.
     */
    private static void requireFinite(StoredTensor tensor) {
      float[] values = tensor.toFloats();
      for (int i = 0; i < values.length; i++) {
        if (!Float.isFinite(values[i])) {
          throw tensor.error("has " + values[i] + " at index " + i + ", but must be finite");
        }
      }
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
            && Integer.parseInt(matcher.group(1))
                <= model.names().layerOf(model.layers().size() - 1)
            && !used.contains(tensor.name())
            && !model.names().ignores(tensor.name())) {
          throw tensor.error("has no place in a model of type " + model.family());
        }
      }
    }
  }
}

package io.mla4j.checkpoint;

import io.mla4j.MlaShape;
import io.mla4j.ops.RopeLayout;
import io.mla4j.ops.Routing;
import io.mla4j.ops.Weight;
import io.mla4j.position.RopeScaling;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.LongConsumer;

/**
 * A model as a GGUF file of the architecture {@code deepseek2}, with the keys and tensors that
 * llama.cpp's conversion writes: kv_b_proj apart, its keys transposed; experts stacked; norms, the
 * router and biases in float32. What the architecture has no word for is refused by name.
 *
 * <p>Keys of a tokenizer come from the caller. Belongs to one thread.
 */
public final class GgufExport {
  private static final String ARCHITECTURE = "deepseek2";
  private static final String PREFIX = ARCHITECTURE + ".";

  /**
   * Of the norms of latents, which has no key: as the models have it that the architecture is for.
   */
  private static final float LATENT_NORM_EPS = 1e-6f;

  private static final DataFolder FOLDER =
      new DataFolder("gguf", "GGUF architecture", ARCHITECTURE);

  private final Checkpoint checkpoint;
  private final ModelDescription model;
  private final FileType type;
  private final GgufWriter writer = new GgufWriter();
  private final TensorNames names;
  private final WeightTable weights;

  /** The layer for multi-token prediction, where the file gets one. */
  private final Optional<WeightTable> predictor;

  /**
   * Reads what has to be written.
   *
   * @param mtp what becomes of a layer for multi-token prediction
   * @param name of the model, for people
   * @throws CheckpointException naming what of the model the architecture cannot say
   */
  public GgufExport(
      Checkpoint checkpoint, ModelDescription model, FileType type, MtpLayer mtp, String name) {
    this.checkpoint = checkpoint;
    this.model = model;
    this.type = type;
    names =
        TensorNames.read(
            FOLDER, ARCHITECTURE, FOLDER.find(ARCHITECTURE).orElseThrow().path("tensors"), 1);
    requireSayable();
    weights = WeightTable.resolve(model, checkpoint);
    predictor = predictor(mtp);
    writer.put("general.architecture", ARCHITECTURE).put("general.type", "model");
    writer.put("general.name", name).put("general.file_type", type.code());
    writer.put("general.quantization_version", 2);
    keys();
    tensors();
  }

  /** Adds a text. */
  public GgufExport put(String key, String value) {
    writer.put(key, value);
    return this;
  }

  /** Adds a whole number. */
  public GgufExport put(String key, int value) {
    writer.put(key, value);
    return this;
  }

  /** Adds whether something holds. */
  public GgufExport put(String key, boolean value) {
    writer.put(key, value);
    return this;
  }

  /** Adds texts. */
  public GgufExport put(String key, List<String> values) {
    writer.put(key, values);
    return this;
  }

  /** Adds whole numbers. */
  public GgufExport put(String key, int[] values) {
    writer.put(key, values);
    return this;
  }

  /** Adds the keys of the model's own GGUF file that begin with {@code prefix}. */
  public GgufExport copy(GgufMetadata from, String prefix) {
    writer.copy(from, prefix);
    return this;
  }

  /** Bytes that {@link #write} will read. */
  public long bytesToRead() {
    return writer.bytesToRead();
  }

  /**
   * Writes the file, in place of what it had.
   *
   * @param threads that read and round
   * @param progress is told how many bytes were read since it was called last
   * @throws io.mla4j.Mla4jException naming the file that cannot be written, or the tensor that has
   *     a value which is no number; the old file stays
   */
  public void write(Path file, int threads, LongConsumer progress) {
    try {
      writer.write(file, threads, progress);
    } catch (InternalError e) {
      throw checkpoint.files().unreadable(e);
    }
  }

  private CheckpointException cannotSay(String what) {
    return new CheckpointException(
        checkpoint.path()
            + ": the model has "
            + what
            + ", which a GGUF of the architecture "
            + ARCHITECTURE
            + " cannot say");
  }

  private void requireSayable() {
    if (model.embedScale() != 1 || model.residualScale() != 1 || model.outputScale() != 1) {
      throw cannotSay("factors on embeddings, branches or outputs");
    }
    for (LayerDescription layer : model.layers()) {
      if (!(layer.attention() instanceof AttentionDescription.Mla mla)) {
        throw cannotSay("layers without latent attention");
      }
      if (!mla.equals(model.layers().getFirst().mla())) {
        throw cannotSay("layers that attend each in its own way");
      }
      if (mla.indexer().isPresent()) {
        throw cannotSay("attention to chosen tokens");
      }
      if (mla.biases().any() || !mla.slopes().isEmpty()) {
        throw cannotSay("biases of attention");
      }
      if (!mla.latentNorm()) {
        throw cannotSay("latents without a norm");
      }
      if (mla.latentNormEps() != LATENT_NORM_EPS) {
        throw cannotSay("norms of latents with an epsilon of " + mla.latentNormEps());
      }
      if (mla.latentScale() != 1
          || mla.queryScale().isPresent()
          || mla.outputGate() != AttentionDescription.OutputGate.NONE) {
        throw cannotSay("factors or gates in attention");
      }
      if (mla.rope().layout() != RopeLayout.PAIRS) {
        throw cannotSay("a rotation in halves");
      }
      if (layer.ffn() instanceof FfnDescription.Dense dense
          && dense.activation() != FfnDescription.Activation.SWIGLU) {
        throw cannotSay("networks without gates");
      }
      if (layer.shortcut().isPresent()
          || layer.ffn() instanceof FfnDescription.Mixture mixture
              && (mixture.identities() > 0 || mixture.postNorm() || mixture.isLimited())) {
        throw cannotSay("a mixture with shortcuts, identities, limits or a norm behind it");
      }
    }
  }

  private Optional<WeightTable> predictor(MtpLayer mtp) {
    Optional<ModelDescription> layer = model.predictor().filter(this::has);
    if (mtp == MtpLayer.DROP || layer.isEmpty()) {
      return Optional.empty();
    }
    if (model.predictor(1).filter(this::has).isPresent()) {
      throw cannotSay("several layers for multi-token prediction (--mtp drop leaves them out)");
    }
    return layer.map(described -> WeightTable.resolvePredictor(described, checkpoint));
  }

  private boolean has(ModelDescription described) {
    return WeightTable.hasPredictor(described, checkpoint);
  }

  private void key(String name, int value) {
    writer.put(PREFIX + name, value);
  }

  private void key(String name, float value) {
    writer.put(PREFIX + name, value);
  }

  private void keys() {
    AttentionDescription.Mla mla = model.layers().getFirst().mla();
    MlaShape shape = mla.shape();
    key("block_count", model.layers().size() + (predictor.isPresent() ? 1 : 0));
    if (predictor.isPresent()) {
      key("nextn_predict_layers", 1);
    }
    key("context_length", model.context());
    key("embedding_length", model.hidden());
    key("vocab_size", model.vocabulary());
    key("attention.head_count", shape.heads());
    key("attention.head_count_kv", 1);
    key("attention.layer_norm_rms_epsilon", model.normEps());
    // llama.cpp asks for it in all files but those of 26 or 27 layers, and takes 0 for none.
    key("attention.q_lora_rank", mla.queryLatent().orElse(0));
    key("attention.kv_lora_rank", shape.latent());
    key("attention.key_length", shape.latent() + shape.rope());
    key("attention.value_length", shape.latent());
    key("attention.key_length_mla", shape.nope() + shape.rope());
    key("attention.value_length_mla", shape.value());
    key("rope.dimension_count", shape.rope());
    key("rope.freq_base", (float) mla.rope().theta());
    scaling(mla);
    networks();
  }

  private void scaling(AttentionDescription.Mla mla) {
    MlaShape shape = mla.shape();
    double multiplier = mla.scoreScale() * Math.sqrt(shape.nope() + shape.rope());
    switch (mla.rope().scaling()) {
      case RopeScaling.Unscaled _ -> requireMultiplier(multiplier, 1);
      case RopeScaling.Linear linear -> {
        requireMultiplier(multiplier, 1);
        writer.put(PREFIX + "rope.scaling.type", "linear");
        key("rope.scaling.factor", (float) linear.factor());
      }
      case RopeScaling.Yarn yarn -> {
        if (Math.abs(yarn.attentionFactor() - 1) > 1e-6 || !yarn.truncate()) {
          throw cannotSay("a YaRN with a factor on cosines");
        }
        double m = Math.sqrt(multiplier);
        // what a configuration says has few digits, and the factor has the error of a float32
        double allDim = Math.round((m - 1) / (0.1 * Math.log(yarn.factor())) * 1e4) / 1e4;
        double again = RopeScaling.Yarn.mscale(yarn.factor(), allDim);
        requireMultiplier(multiplier, again * again);
        writer.put(PREFIX + "rope.scaling.type", "yarn");
        key("rope.scaling.factor", (float) yarn.factor());
        key("rope.scaling.original_context_length", yarn.originalContext());
        key("rope.scaling.yarn_log_multiplier", (float) (0.1 * allDim));
        key("rope.scaling.yarn_beta_fast", (float) yarn.betaFast());
        key("rope.scaling.yarn_beta_slow", (float) yarn.betaSlow());
      }
      default -> throw cannotSay("the scaling of rotations " + mla.rope().scaling());
    }
  }

  private void requireMultiplier(double actual, double said) {
    if (Math.abs(actual / said - 1) > 1e-5) {
      throw cannotSay("a factor of " + (float) actual + " on scores");
    }
  }

  private void networks() {
    int dense = 0;
    while (dense < model.layers().size()
        && model.layers().get(dense).ffn() instanceof FfnDescription.Dense) {
      dense++;
    }
    for (LayerDescription layer : model.layers().subList(dense, model.layers().size())) {
      if (layer.ffn() instanceof FfnDescription.Dense) {
        throw cannotSay("dense layers behind mixtures");
      }
    }
    key("leading_dense_block_count", dense);
    boolean mixed = dense < model.layers().size();
    FfnDescription first = model.layers().getFirst().ffn();
    if (first instanceof FfnDescription.Dense network) {
      key("feed_forward_length", network.width());
    }
    if (mixed) {
      mixture((FfnDescription.Mixture) model.layers().get(dense).ffn(), dense);
    } else {
      // llama.cpp and ik_llama.cpp ask for these of models without experts too.
      key("expert_feed_forward_length", 0);
      key("expert_shared_count", 0);
      key("expert_weights_scale", 1f);
    }
  }

  private void mixture(FfnDescription.Mixture mixture, int dense) {
    Routing routing = mixture.routing();
    if (dense == 0) {
      key("feed_forward_length", mixture.expertWidth());
    }
    if (mixture.sharedWidth() % mixture.expertWidth() != 0) {
      throw cannotSay("shared experts of another width");
    }
    key("expert_feed_forward_length", mixture.expertWidth());
    key("expert_count", routing.experts());
    key("expert_used_count", routing.topK());
    key("expert_shared_count", mixture.sharedWidth() / mixture.expertWidth());
    key("expert_group_count", routing.groups());
    key("expert_group_used_count", routing.keptGroups());
    key("expert_weights_scale", routing.scale());
    if (routing.renormalize()) {
      writer.put(PREFIX + "expert_weights_norm", true);
    }
    key("expert_gating_func", routing.score() == Routing.Score.SIGMOID ? 2 : 1);
  }

  private void tensors() {
    weight(TensorRole.EMBEDDING, -1, List.of(weights.embedding()));
    for (int l = 0; l < model.layers().size(); l++) {
      layer(l, weights.layers().get(l));
    }
    predictor.ifPresent(this::predictorTensors);
    weight(TensorRole.FINAL_NORM, -1, List.of(weights.finalNorm()));
    if (!tied()) {
      weight(TensorRole.OUTPUT, -1, List.of(weights.output()));
    }
  }

  private void layer(int l, WeightTable.Layer layer) {
    for (Map.Entry<TensorRole, List<StoredTensor>> entry : layer.tensors().entrySet()) {
      if (entry.getKey() == TensorRole.LATENT_UP) {
        latentUp(l, entry.getValue().getFirst());
      } else {
        weight(entry.getKey(), l, entry.getValue());
      }
    }
  }

  /** A block like the last one; an embedding and an output of its own only where it has them. */
  private void predictorTensors(WeightTable table) {
    int l = model.layers().size();
    layer(l, table.layers().getFirst());
    weight(TensorRole.FINAL_NORM, l, List.of(table.finalNorm()));
    if (!table.embedding().name().equals(weights.embedding().name())) {
      weight(TensorRole.EMBEDDING, l, List.of(table.embedding()));
    }
    String output = table.output().name();
    if (!output.equals(weights.output().name()) && !output.equals(table.embedding().name())) {
      weight(TensorRole.OUTPUT, l, List.of(table.output()));
    }
  }

  private boolean tied() {
    return weights.output() == weights.embedding();
  }

  private void latentUp(int layer, StoredTensor latentUp) {
    MlaShape s = model.shape();
    Weight weight = latentUp.weight();
    add(
        TensorRole.KEYS_UP,
        layer,
        List.of((long) s.heads(), (long) s.latent(), (long) s.nope()),
        new RowSource.TransposedKeys(latentUp, weight, s.heads(), s.nope(), s.value()));
    add(
        TensorRole.VALUES_UP,
        layer,
        List.of((long) s.heads(), (long) s.value(), (long) s.latent()),
        new RowSource.Values(latentUp, weight, s.heads(), s.nope(), s.value()));
  }

  private void weight(TensorRole role, int layer, List<StoredTensor> stored) {
    List<Long> shape = new ArrayList<>(stored.getFirst().shape());
    TensorPlace place = names(layer).of(role).getFirst();
    if (place.stacked()) {
      shape.addFirst((long) stored.size());
    } else if (place.folded()) {
      long heads = model.shape().heads();
      shape.set(0, shape.getFirst() / heads);
      shape.addFirst(heads);
    }
    add(role, layer, shape, RowSource.Matrices.of(stored));
  }

  private void add(TensorRole role, int layer, List<Long> shape, RowSource rows) {
    boolean exact = shape.size() == 1 || role == TensorRole.ROUTER;
    StoredType stored =
        exact
            ? StoredType.F32
            : type.of(role, rows.columns(), layer, model.layers().size(), tied());
    writer.tensor(names(layer).name(role, Math.max(layer, 0), 0), stored, shape, rows);
  }

  /** Behind the last layer, the names of the one for multi-token prediction. */
  private TensorNames names(int layer) {
    return layer < model.layers().size() ? names : names.ofPredictor(layer);
  }
}

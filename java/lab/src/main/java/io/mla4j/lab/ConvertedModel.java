package io.mla4j.lab;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.mla4j.checkpoint.Json;
import io.mla4j.checkpoint.OutputFile;
import io.mla4j.checkpoint.SafetensorsWriter;
import io.mla4j.checkpoint.StoredTensor;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Pattern;
import org.ejml.data.DMatrixRMaj;

/** Writes a converted model as a folder: what is new in float32, all else as it was stored. */
final class ConvertedModel {
  private static final long MAX_BYTES = 10_000_000;
  private static final Pattern REPLACED =
      Pattern.compile(".*\\.self_attn\\.[qkv]_proj\\.(weight|bias)");
  private static final List<String> KEPT =
      List.of(
          "vocab_size",
          "hidden_size",
          "intermediate_size",
          "num_hidden_layers",
          "num_attention_heads",
          "rms_norm_eps",
          "max_position_embeddings",
          "tie_word_embeddings",
          "bos_token_id",
          "eos_token_id",
          "pad_token_id",
          "hidden_act",
          "initializer_range",
          "use_cache");
  private static final List<String> FILES =
      List.of(
          "tokenizer.json",
          "tokenizer_config.json",
          "tokenizer.model",
          "special_tokens_map.json",
          "chat_template.jinja",
          "generation_config.json");

  private final Source source;
  private final List<LatentLayer> layers;
  private final Form form;
  private final Arena arena;
  private final SafetensorsWriter writer = new SafetensorsWriter().metadata("format", "pt");

  private ConvertedModel(Source source, List<LatentLayer> layers, Form form, Arena arena) {
    this.source = source;
    this.layers = layers;
    this.form = form;
    this.arena = arena;
  }

  /** Writes into a folder that is there and empty. */
  static void write(Source source, List<LatentLayer> layers, Form form, Path folder) {
    try (Arena arena = Arena.ofShared()) {
      ConvertedModel model = new ConvertedModel(source, layers, form, arena);
      model.config(folder);
      model.tensors();
      model.writer.write(folder.resolve("model.safetensors"));
      for (String name : FILES) {
        Path file = source.directory().resolve(name);
        if (Files.exists(file)) {
          // not its permissions: what cannot be written could not be removed
          Files.write(folder.resolve(name), Files.readAllBytes(file));
        }
      }
    } catch (IOException e) {
      throw new LabException(folder + ": cannot be written: " + e.getMessage(), e);
    }
  }

  private void config(Path folder) throws IOException {
    ObjectNode original = Json.readObject(source.directory().resolve("config.json"), MAX_BYTES);
    ObjectMapper mapper = new ObjectMapper();
    ObjectNode config = mapper.createObjectNode();
    for (String key : KEPT) {
      if (original.has(key)) {
        config.set(key, original.get(key));
      }
    }
    int width = source.shape().width();
    int rope = 2 * layers.getFirst().frequencies().length;
    config.put("vocab_size", source.model().vocabulary());
    config.put("hidden_size", source.model().hidden());
    config.put("num_hidden_layers", layers.size());
    config.put("num_attention_heads", source.shape().heads());
    config.put("num_key_value_heads", source.shape().heads());
    config.put("max_position_embeddings", source.model().context());
    config.put("tie_word_embeddings", source.model().tied());
    config.put("first_k_dense_replace", layers.size());
    config.put("qk_nope_head_dim", width);
    config.put("qk_rope_head_dim", rope);
    config.put("v_head_dim", width);
    config.put("kv_lora_rank", layers.getFirst().up().numCols);
    config.put("dtype", "float32");
    if (source.attention().inputBias()) {
      config.put("qkv_bias", true);
    }
    if (source.attention().outputBias()) {
      config.put("o_bias", true);
    }
    form.describe(config, original, layers);
    OutputFile.write(
        folder.resolve("config.json"),
        mapper.writerWithDefaultPrettyPrinter().writeValueAsString(config) + "\n");
  }

  private void tensors() {
    for (StoredTensor stored : source.checkpoint().tensors().values()) {
      if (!REPLACED.matcher(stored.name()).matches()) {
        writer.add(stored.name(), stored.tensor());
      }
    }
    for (int l = 0; l < layers.size(); l++) {
      LatentLayer layer = layers.get(l);
      String prefix = "model.layers." + l + ".self_attn.";
      int rank = layer.up().numCols;
      double scale = form.latentScale(layer);
      projection(prefix + "q_proj", layer.query());
      DMatrixRMaj down = layer.down().copy();
      for (int i = 0; i < rank * down.numCols; i++) {
        down.data[i] *= scale;
      }
      projection(prefix + "kv_a_proj_with_mqa", down);
      if (form == Form.COMPATIBLE) {
        double[] norm = new double[rank];
        Arrays.fill(norm, Math.sqrt(Form.EPSILON) / scale);
        add(prefix + "kv_a_layernorm.weight", norm, rank);
      }
      add(prefix + "kv_b_proj.weight", layer.up().data, layer.up().numRows, rank);
    }
  }

  /** Its last column is the bias where the model has biases. */
  private void projection(String name, DMatrixRMaj matrix) {
    int hidden = source.model().hidden();
    DMatrixRMaj weight = Matrices.columns(matrix, 0, hidden);
    add(name + ".weight", weight.data, matrix.numRows, hidden);
    if (matrix.numCols > hidden) {
      add(name + ".bias", Matrices.columns(matrix, hidden, 1).data, matrix.numRows);
    }
  }

  private void add(String name, double[] values, long... shape) {
    long count = Arrays.stream(shape).reduce(1, Math::multiplyExact);
    var segment = arena.allocate(4 * count, 64);
    for (int i = 0; i < count; i++) {
      segment.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) values[i]);
    }
    writer.add(name, Tensor.of(segment, StorageFormat.F32, shape));
  }
}

package io.mla4j.lab;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.mla4j.checkpoint.Json;
import io.mla4j.checkpoint.OutputFile;
import io.mla4j.checkpoint.StoredTensor;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;
import java.util.regex.Pattern;
import org.ejml.data.DMatrixRMaj;

/**
 * Writes a converted model as a folder, layer by layer: what is new in float32, all else as it was
 * stored.
 */
final class ConvertedModel implements AutoCloseable {
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

  /** Bytes of new tensors that wait for their file. */
  private static final long IN_MEMORY = 128L << 20;

  private final Source source;
  private final Form form;
  private final Path out;
  private final Path beside;
  private final Scratch scratch;
  private final Shards shards;

  /** What a configuration says of them. */
  private final List<LatentLayer> layers = new ArrayList<>();

  /**
   * Begins a model beside the folder that it becomes, so that nobody ever sees half of it. When the
   * process is ended meanwhile, nothing is left.
   *
   * @param out a folder that is not there yet
   */
  ConvertedModel(Source source, Form form, Path out) {
    this.source = source;
    this.form = form;
    this.out = out;
    beside =
        out.toAbsolutePath()
            .normalize()
            .resolveSibling("." + out.getFileName() + "." + UUID.randomUUID());
    scratch = Scratch.of(beside);
    shards = new Shards(beside, IN_MEMORY);
    try {
      Files.createDirectory(beside);
    } catch (IOException e) {
      close();
      throw unwritable(e);
    }
  }

  private LabException unwritable(IOException e) {
    return new LabException(out + ": cannot be written: " + e.getMessage(), e);
  }

  /** Writes the next layer; nothing refers to its matrices afterwards. */
  void add(LatentLayer layer) {
    String prefix = "model.layers." + layers.size() + ".self_attn.";
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
      shards.add(prefix + "kv_a_layernorm.weight", norm, rank);
    }
    shards.add(prefix + "kv_b_proj.weight", layer.up().data, layer.up().numRows, rank);
    layers.add(layer.sizes());
  }

  /** Writes everything else; the folder is there then. */
  void finish() {
    try {
      for (StoredTensor stored : source.checkpoint().tensors().values()) {
        if (!REPLACED.matcher(stored.name()).matches()) {
          shards.add(stored);
        }
      }
      shards.finish();
      config(beside);
      for (String name : FILES) {
        Path file = source.directory().resolve(name);
        if (Files.exists(file)) {
          // not its permissions: what cannot be written could not be removed
          Files.write(beside.resolve(name), Files.readAllBytes(file));
        }
      }
      if (Files.exists(out)) {
        throw new FileAlreadyExistsException(out.toString());
      }
      Files.move(beside, out, StandardCopyOption.ATOMIC_MOVE);
    } catch (FileAlreadyExistsException e) {
      throw new LabException(
          "--out is " + out + ", which is there already; name another folder", e);
    } catch (IOException e) {
      throw unwritable(e);
    }
  }

  @Override
  public void close() {
    shards.close();
    scratch.close();
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
    int[] ranks = layers.stream().mapToInt(layer -> layer.up().numCols).toArray();
    config.put("kv_lora_rank", Arrays.stream(ranks).max().orElseThrow());
    if (Arrays.stream(ranks).distinct().count() > 1) {
      Arrays.stream(ranks).forEach(config.putArray("kv_lora_ranks")::add);
    }
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

  /** Its last column is the bias where the model has biases. */
  private void projection(String name, DMatrixRMaj matrix) {
    int hidden = source.model().hidden();
    DMatrixRMaj weight = Matrices.columns(matrix, 0, hidden);
    shards.add(name + ".weight", weight.data, matrix.numRows, hidden);
    if (matrix.numCols > hidden) {
      shards.add(name + ".bias", Matrices.columns(matrix, hidden, 1).data, matrix.numRows);
    }
  }
}

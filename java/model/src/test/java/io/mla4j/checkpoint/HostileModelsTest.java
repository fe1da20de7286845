package io.mla4j.checkpoint;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Malformed model directories: each gives a typed error of one line that names the file and the
 * tensor or key, quickly and with little memory.
 */
class HostileModelsTest {
  private static final String CONFIG = "config.json";
  private static final String WEIGHTS = "model.safetensors";
  private static final String INDEX = "model.safetensors.index.json";
  private static final String SHARD = "model-00001-of-00003.safetensors";
  private static final String TOKENIZER = "tokenizer.json";
  private static final String NORM = "model.norm.weight";
  private static final String EMBEDDING = "model.embed_tokens.weight";

  /**
   * One way to spoil a model.
   *
   * @param base the golden case to start from
   * @param file what the message names
   * @param detail the tensor, key or fact that the message names too
   */
  record Case(String title, String base, Consumer<ModelFiles> spoil, String file, String detail) {
    @Override
    public String toString() {
      return title;
    }
  }

  private static Case weights(String title, String detail, Consumer<ModelFiles> spoil) {
    return new Case(title, "v3-f16", spoil, WEIGHTS, detail);
  }

  private static Case header(String title, String detail, Consumer<ObjectNode> change) {
    return weights(title, detail, files -> files.header(WEIGHTS, change));
  }

  private static Case entry(String title, String tensor, String json) {
    return header(title, tensor, header -> header.set(tensor, parse(json)));
  }

  private static Case sharded(
      String title, String file, String detail, Consumer<ModelFiles> spoil) {
    return new Case(title, "v3-sharded", spoil, file, detail);
  }

  private static Case index(String title, String detail, Consumer<ObjectNode> change) {
    return sharded(title, INDEX, detail, files -> files.json(INDEX, change));
  }

  private static Case config(String title, String key, Consumer<ObjectNode> change) {
    return new Case(title, "v3-f16", files -> files.json(CONFIG, change), CONFIG, key);
  }

  private static Case value(String key, String json) {
    return config(key + " = " + json, key, config -> config.set(key, parse(json)));
  }

  private static Case rope(String key, String json) {
    return config(
        "rope_scaling." + key + " = " + json,
        "rope_scaling." + key,
        config -> ((ObjectNode) config.get("rope_scaling")).set(key, parse(json)));
  }

  private static Case tokenizer(String title, String text) {
    return new Case(
        "tokenizer: " + title, "v3-f16", files -> files.write(TOKENIZER, text), TOKENIZER, "");
  }

  private static JsonNode parse(String json) {
    return assertDoesNotThrow(() -> ModelFiles.MAPPER.readTree(json));
  }

  private static ObjectNode weightMap(ObjectNode index) {
    return (ObjectNode) index.get("weight_map");
  }

  static Stream<Case> cases() {
    return Stream.of(
            files(), headers(), shards(), tensors(), values(), ropes(), unsupported(), tokenizers())
        .flatMap(List::stream);
  }

  private static List<Case> files() {
    return List.of(
        weights("no weights", WEIGHTS, files -> files.delete(WEIGHTS)),
        weights("empty file", "truncated", files -> files.truncate(WEIGHTS, 0)),
        weights("seven bytes", "truncated", files -> files.truncate(WEIGHTS, 7)),
        weights("only a length", "header length", files -> files.truncate(WEIGHTS, 8)),
        weights("cut in the header", "header length", files -> files.truncate(WEIGHTS, 500)),
        weights("cut in the data", "data_offsets", files -> files.truncate(WEIGHTS, 200_000)),
        weights(
            "a byte too many",
            "no gap",
            files -> files.truncate(WEIGHTS, files.read(WEIGHTS).length + 1)),
        weights(
            "length 2^63",
            "9223372036854775808",
            files -> files.headerLength(WEIGHTS, Long.MIN_VALUE)),
        weights(
            "length 2^64 - 1", "18446744073709551615", files -> files.headerLength(WEIGHTS, -1)),
        weights("length 2^62", "header length", files -> files.headerLength(WEIGHTS, 1L << 62)),
        weights("length 0", "header", files -> files.headerLength(WEIGHTS, 0)),
        weights(
            "length beyond the file",
            "header length",
            files -> files.headerLength(WEIGHTS, 90_000_000)),
        weights(
            "length one byte beyond the file",
            "header length",
            files -> files.headerLength(WEIGHTS, files.read(WEIGHTS).length - 7)),
        weights("a directory", "regular", files -> makeDirectory(files, WEIGHTS)),
        new Case(
            "no configuration", "v3-f16", files -> files.delete(CONFIG), CONFIG, "does not exist"),
        new Case("empty configuration", "v3-f16", files -> files.write(CONFIG, ""), CONFIG, "JSON"),
        new Case(
            "list as configuration",
            "v3-f16",
            files -> files.write(CONFIG, "[1]"),
            CONFIG,
            "JSON object"),
        new Case(
            "half a configuration", "v3-f16", files -> files.truncate(CONFIG, 300), CONFIG, "JSON"),
        new Case("two objects", "v3-f16", files -> files.write(CONFIG, "{} {}"), CONFIG, "JSON"),
        new Case(
            "key twice",
            "v3-f16",
            files -> files.write(CONFIG, "{\"hidden_size\": 1, \"hidden_size\": 2}"),
            CONFIG,
            "hidden_size"),
        new Case(
            "deep nesting",
            "v3-f16",
            files -> files.write(CONFIG, "{\"a\":" + "[".repeat(100_000)),
            CONFIG,
            "deep"),
        new Case(
            "number of a million digits",
            "v3-f16",
            files -> files.write(CONFIG, "{\"hidden_size\":" + "9".repeat(1_000_000) + "}"),
            CONFIG,
            "JSON"),
        new Case(
            "broken generation_config",
            "v3-f16",
            files -> files.write("generation_config.json", "{\"eos_token_id\": 0.5}"),
            "generation_config.json",
            "eos_token_id"));
  }

  private static void makeDirectory(ModelFiles files, String name) {
    files.delete(name);
    assertDoesNotThrow(() -> Files.createDirectory(files.directory().resolve(name)));
  }

  private static List<Case> headers() {
    return List.of(
        weights("no JSON", "header", files -> files.headerText(WEIGHTS, "nonsense")),
        weights("list as header", "header", files -> files.headerText(WEIGHTS, "[]")),
        weights(
            "half a header", "header", files -> files.headerText(WEIGHTS, "{\"a\": {\"dtype\"")),
        weights("header and more", "header", files -> files.headerText(WEIGHTS, "{} {}")),
        weights(
            "deep header",
            "'a'",
            files -> files.headerText(WEIGHTS, "{\"a\":" + "{\"a\":".repeat(50_000))),
        weights(
            "tensor twice",
            "'a'",
            files ->
                files.headerText(
                    WEIGHTS,
                    "{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},\"a\":{}}")),
        weights("no UTF-8", "header", files -> flip(files, 40, 0xFF)),
        header("metadata is a number", "__metadata__", header -> header.put("__metadata__", 3)),
        header(
            "metadata holds a number",
            "__metadata__",
            header -> header.set("__metadata__", parse("{\"a\": 1}"))),
        entry("tensor is a list", NORM, "[]"),
        entry("no dtype", NORM, "{\"shape\":[64],\"data_offsets\":[0,128]}"),
        entry("no shape", NORM, "{\"dtype\":\"F16\",\"data_offsets\":[0,128]}"),
        entry("no offsets", NORM, "{\"dtype\":\"F16\",\"shape\":[64]}"),
        entry(
            "unknown dtype", NORM, "{\"dtype\":\"Q4_K\",\"shape\":[64],\"data_offsets\":[0,128]}"),
        entry("dtype is a number", NORM, "{\"dtype\":16,\"shape\":[64],\"data_offsets\":[0,128]}"),
        entry(
            "negative dimension",
            NORM,
            "{\"dtype\":\"F16\",\"shape\":[-64],\"data_offsets\":[0,128]}"),
        entry(
            "fraction as dimension",
            NORM,
            "{\"dtype\":\"F16\",\"shape\":[64.5],\"data_offsets\":[0,128]}"),
        entry(
            "shape overflows",
            NORM,
            "{\"dtype\":\"F16\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,128]}"),
        entry(
            "bytes overflow",
            NORM,
            "{\"dtype\":\"F16\",\"shape\":[9223372036854775807],\"data_offsets\":[0,128]}"),
        entry(
            "dimension of 2^80",
            NORM,
            "{\"dtype\":\"F16\",\"shape\":[1208925819614629174706176],\"data_offsets\":[0,128]}"),
        entry(
            "shape of 1000 ones",
            NORM,
            "{\"dtype\":\"F16\",\"shape\":[" + "1,".repeat(999) + "1],\"data_offsets\":[0,2]}"),
        entry(
            "nested shape", NORM, "{\"dtype\":\"F16\",\"shape\":[[64]],\"data_offsets\":[0,128]}"),
        entry(
            "size is not that of the shape",
            NORM,
            "{\"dtype\":\"F16\",\"shape\":[64],\"data_offsets\":[0,126]}"),
        entry(
            "offsets backwards",
            NORM,
            "{\"dtype\":\"F16\",\"shape\":[64],\"data_offsets\":[128,0]}"),
        entry(
            "three offsets",
            NORM,
            "{\"dtype\":\"F16\",\"shape\":[64],\"data_offsets\":[0,64,128]}"),
        entry(
            "offset of 2^63",
            NORM,
            "{\"dtype\":\"F16\",\"shape\":[64],\"data_offsets\":[9223372036854775680,9223372036854775808]}"),
        entry(
            "far behind the end",
            NORM,
            "{\"dtype\":\"F16\",\"shape\":[64],\"data_offsets\":[4611686018427387904,4611686018427388032]}"),
        entry(
            "unknown field",
            NORM,
            "{\"dtype\":\"F16\",\"shape\":[64],\"data_offsets\":[0,128],\"strides\":[2]}"),
        header(
            "tensors overlap",
            "overlaps",
            header ->
                ((ObjectNode) header.get(NORM))
                    .set(
                        "data_offsets",
                        header.get("model.layers.0.input_layernorm.weight").get("data_offsets"))),
        header("a gap", "gap", header -> header.remove("model.layers.0.input_layernorm.weight")),
        header(
            "a name of many lines",
            "\\u000a",
            header ->
                header.set(
                    "a\nb" + "c".repeat(20_000),
                    parse("{\"dtype\":\"Q\",\"shape\":[],\"data_offsets\":[0,0]}"))));
  }

  private static void flip(ModelFiles files, int at, int value) {
    byte[] bytes = files.read(WEIGHTS);
    bytes[at] = (byte) value;
    files.write(WEIGHTS, bytes);
  }

  private static List<Case> shards() {
    return List.of(
        sharded("missing shard", SHARD, "does not exist", files -> files.delete(SHARD)),
        sharded(
            "broken shard", SHARD, "header length", files -> files.headerLength(SHARD, 1L << 50)),
        sharded("no index", "model.safetensors", "neither", files -> files.delete(INDEX)),
        sharded(
            "index is no JSON", INDEX, "JSON", files -> files.write(INDEX, "{\"weight_map\": ")),
        sharded(
            "two shards hold a tensor",
            "model-0000",
            "is also in",
            files -> files.write("model-00002-of-00003.safetensors", files.read(SHARD))),
        index("no weight_map", "weight_map", index -> index.remove("weight_map")),
        index("empty weight_map", "weight_map", index -> weightMap(index).removeAll()),
        index("weight_map is a list", "weight_map", index -> index.putArray("weight_map")),
        index("file is a number", NORM, index -> weightMap(index).put(NORM, 5)),
        index("index names itself", INDEX, index -> weightMap(index).put(NORM, INDEX)),
        index("index names the configuration", CONFIG, index -> weightMap(index).put(NORM, CONFIG)),
        index("escapes upwards", "../" + SHARD, index -> weightMap(index).put(NORM, "../" + SHARD)),
        index(
            "escapes by an absolute path",
            "/etc/x.safetensors",
            index -> weightMap(index).put(NORM, "/etc/x.safetensors")),
        index(
            "escapes backwards",
            "same directory",
            index -> weightMap(index).put(NORM, "..\\x.safetensors")),
        index(
            "file name with a zero",
            "same directory",
            index -> weightMap(index).put(NORM, "a\0.safetensors")),
        index(
            "file name that begins with a zero",
            "same directory",
            index -> weightMap(index).put(NORM, "\0.safetensors")),
        index(
            "a tensor in the wrong shard",
            NORM,
            index ->
                weightMap(index)
                    .put(
                        NORM,
                        weightMap(index).get(NORM).textValue().equals(SHARD)
                            ? "model-00002-of-00003.safetensors"
                            : SHARD)),
        index("a tensor in no shard", "ghost", index -> weightMap(index).put("ghost", SHARD)));
  }

  private static List<Case> tensors() {
    return List.of(
        weights("missing tensor", NORM, files -> rename(files, NORM, "model.other.weight")),
        weights(
            "missing expert",
            "experts.7.up_proj",
            files -> rename(files, "model.layers.1.mlp.experts.7.up_proj.weight", "x")),
        weights(
            "missing bias of the router",
            "e_score_correction_bias",
            files -> rename(files, "model.layers.1.mlp.gate.e_score_correction_bias", "x")),
        weights("missing output", "lm_head", files -> rename(files, "lm_head.weight", "x")),
        header(
            "transposed",
            EMBEDDING,
            header -> ((ObjectNode) header.get(EMBEDDING)).set("shape", parse("[64, 320]"))),
        header(
            "wrong rank",
            EMBEDDING,
            header -> ((ObjectNode) header.get(EMBEDDING)).set("shape", parse("[20480]"))),
        header(
            "integer weights",
            EMBEDDING,
            header -> ((ObjectNode) header.get(EMBEDDING)).put("dtype", "I16")),
        weights("fp8 weights", "F8_E4M3", HostileModelsTest::fp8),
        weights("NaN in a norm", NORM, files -> files.poison(WEIGHTS, NORM, 0x7E00)),
        weights(
            "infinity in a norm",
            "kv_a_layernorm",
            files ->
                files.poison(WEIGHTS, "model.layers.0.self_attn.kv_a_layernorm.weight", 0xFC00)),
        weights(
            "a tensor without a place",
            "q_norm",
            files ->
                rename(
                    files,
                    "model.layers.2.enorm.weight",
                    "model.layers.0.self_attn.q_norm.weight")));
  }

  private static void rename(ModelFiles files, String from, String to) {
    files.header(WEIGHTS, header -> header.set(to, header.remove(from)));
  }

  private static void fp8(ModelFiles files) {
    files.header(
        WEIGHTS,
        header ->
            ((ObjectNode) header.get(EMBEDDING))
                .put("dtype", "F8_E4M3")
                .set("shape", parse("[640, 64]")));
    files.json(CONFIG, config -> config.put("vocab_size", 640));
  }

  private static List<Case> values() {
    return List.of(
        value("model_type", "\"gemma\""),
        value("model_type", "\"hy_v4\""),
        value("model_type", "\"mistral_large4\""),
        value("model_type", "7"),
        config("no model_type", "model_type", config -> config.remove("model_type")),
        value("hidden_size", "0"),
        value("hidden_size", "-64"),
        value("hidden_size", "2147483648"),
        value("hidden_size", "64.5"),
        value("hidden_size", "\"64\""),
        value("hidden_size", "NaN"),
        value("hidden_size", "[64]"),
        value("vocab_size", "0"),
        value("num_hidden_layers", "0"),
        value("num_hidden_layers", "2147483647"),
        value("num_attention_heads", "0"),
        value("num_attention_heads", "1e300"),
        value("num_key_value_heads", "0"),
        value("kv_lora_rank", "-1"),
        value("kv_lora_rank", "100000"),
        value("q_lora_rank", "0"),
        value("qk_rope_head_dim", "7"),
        value("qk_rope_head_dim", "-8"),
        value("qk_nope_head_dim", "0"),
        value("v_head_dim", "true"),
        value("qk_head_dim", "99"),
        value("qk_head_dim", "16"),
        value("intermediate_size", "0"),
        value("moe_intermediate_size", "0"),
        value("max_position_embeddings", "0"),
        value("rms_norm_eps", "-1e-6"),
        value("rms_norm_eps", "0"),
        value("rms_norm_eps", "NaN"),
        value("rms_norm_eps", "Infinity"),
        value("rms_norm_eps", "\"1e-6\""),
        value("rope_theta", "0"),
        value("rope_theta", "-10000"),
        value("rope_theta", "NaN"),
        value("n_group", "3"),
        value("n_group", "16"),
        value("n_group", "0"),
        value("topk_group", "5"),
        value("num_experts_per_tok", "17"),
        value("num_experts_per_tok", "0"),
        value("n_routed_experts", "-1"),
        value("n_routed_experts", "1000000"),
        value("n_shared_experts", "-1"),
        value("num_experts", "12"),
        value("routed_scaling_factor", "0"),
        value("routed_scaling_factor", "NaN"),
        value("norm_topk_prob", "1"),
        value("first_k_dense_replace", "-1"),
        value("moe_layer_freq", "0"),
        value("mlp_layer_types", "[\"dense\"]"),
        value("mlp_layer_types", "[\"dense\", \"wide\"]"),
        value("eos_token_id", "1.5"),
        value("eos_token_id", "[1, true]"),
        value("bos_token_id", "\"<s>\""),
        value("attention_bias", "\"no\""),
        value("tie_word_embeddings", "0"));
  }

  private static List<Case> ropes() {
    return List.of(
        value("rope_scaling", "40"),
        rope("type", "\"spiral\""),
        rope("factor", "0"),
        rope("factor", "-4"),
        rope("factor", "NaN"),
        rope("factor", "\"40\""),
        rope("original_max_position_embeddings", "0"),
        rope("original_max_position_embeddings", "2.5"),
        rope("beta_fast", "-1"),
        rope("mscale", "Infinity"),
        rope("mscale_all_dim", "-0.5"),
        rope("attention_factor", "0"),
        rope("truncate", "\"yes\""),
        rope("partial_rotary_factor", "0.5"),
        rope("llama_4_scaling_beta", "0.1"),
        rope("rope_theta", "1"),
        config(
            "longrope without factors",
            "short_factor",
            config -> config.set("rope_scaling", parse("{\"type\": \"longrope\"}"))),
        config(
            "longrope with too few factors",
            "long_factor",
            config ->
                config.set(
                    "rope_scaling",
                    parse(
                        "{\"type\": \"longrope\", \"short_factor\": [1, 1, 1, 1], \"long_factor\":"
                            + " [1]}"))),
        config(
            "longrope with a factor of 0",
            "short_factor",
            config ->
                config.set(
                    "rope_scaling",
                    parse(
                        "{\"type\": \"longrope\", \"short_factor\": [1, 0, 1, 1], \"long_factor\":"
                            + " [1, 1, 1, 1]}"))),
        config(
            "longrope with a later factor below 0",
            "long_factor",
            config ->
                config.set(
                    "rope_scaling",
                    parse(
                        "{\"type\": \"longrope\", \"short_factor\": [1, 1, 1, 1], \"long_factor\":"
                            + " [1, 1, -1, 1]}"))),
        config(
            "linear without a factor",
            "factor",
            config -> config.set("rope_scaling", parse("{\"type\": \"linear\"}"))),
        config(
            "llama3 without its factors",
            "low_freq_factor",
            config ->
                config.set("rope_scaling", parse("{\"rope_type\": \"llama3\", \"factor\": 8}"))),
        config(
            "llama3 without its upper factor",
            "high_freq_factor is missing",
            config ->
                config.set(
                    "rope_scaling",
                    parse("{\"rope_type\": \"llama3\", \"factor\": 8, \"low_freq_factor\": 2}"))),
        config(
            "llama3 with nothing between its factors",
            "high_freq_factor is 2",
            config ->
                config.set(
                    "rope_scaling",
                    parse(
                        "{\"rope_type\": \"llama3\", \"factor\": 8, \"low_freq_factor\": 2,"
                            + " \"high_freq_factor\": 2}"))),
        config(
            "both forms",
            "rope_parameters",
            config -> config.set("rope_parameters", parse("{\"rope_type\": \"default\"}"))),
        config(
            "nested by layer type",
            "full_attention",
            config -> {
              config.remove("rope_scaling");
              config.set(
                  "rope_parameters", parse("{\"full_attention\": {\"rope_type\": \"default\"}}"));
            }));
  }

  private static List<Case> unsupported() {
    return List.of(
        value("quantization_config", "{\"quant_method\": \"gptq\"}"),
        value("hidden_act", "\"gelu\""),
        value("mlp_bias", "true"),
        value("scoring_func", "\"softmax\""),
        value("topk_method", "\"greedy\""),
        value("use_sliding_window", "true"),
        value("use_qkv_norm", "false"),
        value("sliding_window", "4096"),
        value("layer_types", "[\"full_attention\", \"sliding_attention\"]"),
        value("expert_swiglu_limit_list", "[0, 4]"),
        value("swiglu_limit", "10"),
        value("gated_attention_proj", "true"),
        value("linear_attn_config", "{}"),
        value("index_topk", "2048"),
        value("hc_mult", "4"),
        value("scale_emb", "12"),
        value("llama_4_scaling", "{}"),
        value("attn_logit_softcapping", "30"),
        value("final_logit_softcapping", "30"),
        value("alibi", "true"),
        value("position_embedding_type", "\"alibi\""),
        value("use_rope", "false"),
        value("text_config", "{}"),
        new Case(
            "deepseek_v2 with a method of V3",
            "v2-grouped",
            files -> files.json(CONFIG, config -> config.put("topk_method", "noaux_tc")),
            CONFIG,
            "topk_method"),
        new Case(
            "deepseek_v2 without top-k",
            "v2-grouped",
            files -> files.json(CONFIG, config -> config.remove("num_experts_per_tok")),
            CONFIG,
            "num_experts_per_tok"),
        new Case(
            "deepseek_v2 with halves",
            "v2-grouped",
            files -> files.json(CONFIG, config -> config.put("rope_interleave", false)),
            CONFIG,
            "rope_interleave"),
        new Case(
            "youtu with experts",
            "youtu",
            files -> files.json(CONFIG, config -> config.put("n_routed_experts", 8)),
            CONFIG,
            "n_routed_experts"));
  }

  private static List<Case> tokenizers() {
    return List.of(
        tokenizer("empty", ""),
        tokenizer("no JSON", "nonsense"),
        tokenizer("half", "{\"version\": \"1.0\", \"model\": {\"type\": \"BPE\""),
        tokenizer("empty object", "{}"),
        tokenizer("unknown model", "{\"version\": \"1.0\", \"model\": {\"type\": \"XYZ\"}}"),
        tokenizer("list", "[1, 2]"),
        tokenizer("deep", "{\"a\":" + "[".repeat(100_000)),
        tokenizer("merge of unknown tokens", bpe("{\"a\": 0}", "[\"q z\"]", "null")),
        tokenizer("negative id", bpe("{\"a\": -1}", "[]", "null")),
        tokenizer("id of 2^40", bpe("{\"a\": 1099511627776}", "[]", "null")),
        tokenizer(
            "broken expression",
            bpe(
                "{\"a\": 0}",
                "[]",
                "{\"type\": \"Split\", \"pattern\": {\"Regex\": \"(((\"}, \"behavior\":"
                    + " \"Isolated\", \"invert\": false}")),
        new Case(
            "tokenizer_config: bos_token is no token",
            "v3-f16",
            files -> {
              files.write(TOKENIZER, bpe("{\"a\": 0}", "[]", "null"));
              files.write(
                  "tokenizer_config.json", "{\"add_bos_token\": true, \"bos_token\": \"<s>\"}");
            },
            "tokenizer_config.json",
            "bos_token"),
        new Case(
            "tokenizer_config: no flag",
            "v3-f16",
            files -> {
              files.write(TOKENIZER, bpe("{\"a\": 0}", "[]", "null"));
              files.write(
                  "tokenizer_config.json", "{\"add_bos_token\": \"yes\", \"bos_token\": \"a\"}");
            },
            "tokenizer_config.json",
            "add_bos_token"),
        new Case(
            "tokenizer_config: no JSON",
            "v3-f16",
            files -> {
              files.write(TOKENIZER, bpe("{\"a\": 0}", "[]", "null"));
              files.write("tokenizer_config.json", "{");
            },
            "tokenizer_config.json",
            "JSON"));
  }

  private static String bpe(String vocabulary, String merges, String preTokenizer) {
    return "{\"version\": \"1.0\", \"pre_tokenizer\": "
        + preTokenizer
        + ", \"model\": {\"type\": \"BPE\", \"vocab\": "
        + vocabulary
        + ", \"merges\": "
        + merges
        + "}}";
  }

  @ParameterizedTest
  @MethodSource("cases")
  void isRefusedInOneLine(Case hostile, @TempDir Path directory) {
    ModelFiles files = ModelFiles.copyOf(hostile.base, directory.resolve("model"));
    hostile.spoil.accept(files);
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    String message =
        assertTimeoutPreemptively(
            Duration.ofSeconds(20),
            () -> {
              long before = threads.getCurrentThreadAllocatedBytes();
              CheckpointException e = assertThrows(CheckpointException.class, files::open);
              long allocated = threads.getCurrentThreadAllocatedBytes() - before;
              assertTrue(allocated < 100_000_000, "allocated " + allocated + " bytes");
              return e.getMessage();
            });
    assertTrue(message.contains(hostile.file), message);
    assertTrue(message.contains(hostile.detail), message);
    assertFalse(message.contains("\n"), message);
    assertTrue(message.length() < 1000, message);
  }

  @Test
  void thereAreMany() {
    assertTrue(cases().count() >= 150);
    cases()
        .map(Case::base)
        .distinct()
        .forEach(
            base ->
                assertDoesNotThrow(
                    () -> new ModelFiles(GoldenCheckpointsTest.GOLDEN.resolve(base)).open()));
  }
}

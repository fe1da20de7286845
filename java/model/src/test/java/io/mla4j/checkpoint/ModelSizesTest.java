package io.mla4j.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.CacheType;
import io.mla4j.InvalidStateException;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a model's cache takes, and all that a checkpoint lacks. */
class ModelSizesTest {
  private static final String MODEL = "model.safetensors";

  @TempDir private Path folder;

  private static ModelDescription read(String name) {
    return ConfigReader.read(GoldenCheckpointsTest.GOLDEN.resolve(name));
  }

  /** Rows of 32 + 8 elements, four layers with an indexer whose keys have 16. */
  @Test
  void aTokenTakesItsRowsAndTheKeysOfIndexers() {
    ModelDescription model = read("v32-sparse");
    assertEquals(4, model.cacheLayers());
    assertEquals(4, model.indexLayers());
    assertEquals(2, model.indexLayer(2));
    assertEquals(2, model.cacheLayer(2));
    long row = model.rows(CacheType.BF16).tokenBytes();
    long keys = model.indexRows(CacheType.BF16).orElseThrow().tokenBytes();
    assertEquals(128, row);
    assertEquals(64, keys);
    assertEquals(row, model.cacheBytesPerLayer(CacheType.BF16));
    assertEquals(4 * (row + keys), model.cacheBytesPerToken(CacheType.BF16));
    assertEquals(
        CacheType.BF16, model.indexRows(CacheType.INT8).orElseThrow().type(), "no scales for keys");
    assertEquals(
        4 * (model.rows(CacheType.INT8).tokenBytes() + keys),
        model.cacheBytesPerToken(CacheType.INT8));
    assertEquals(0, model.stateBytes());
    assertTrue(model.state().isEmpty());
  }

  /** Of five layers the third and the fifth have latents, the others a state of 4 heads of 16. */
  @Test
  void statesAreThereTwice() {
    ModelDescription model = read("kimi-linear");
    assertEquals(2, model.cacheLayers());
    assertEquals(1, model.cacheLayer(4));
    assertEquals(3, model.stateLayers());
    assertEquals(2, model.stateLayer(3));
    // 16 x 16 elements and three past inputs of three convolutions
    assertEquals(4 * (256 + 9 * 16) * 4, model.state().orElseThrow().bytes());
    assertEquals(2 * 3 * 4 * (256 + 9 * 16) * 4, model.stateBytes());
    assertEquals(
        2 * model.rows(CacheType.F32).tokenBytes(), model.cacheBytesPerToken(CacheType.F32));
    assertEquals(0, model.indexLayers());
  }

  @Test
  void everyHeadsKeysAndValuesAreInTheCache() {
    ModelDescription model = read("mistral-gqa");
    AttentionDescription.Grouped grouped = model.grouped().orElseThrow();
    assertEquals(grouped.cacheLayers() * model.layers().size(), model.cacheLayers());
    assertEquals(
        model.cacheBytesPerLayer(CacheType.BF16) * model.layers().size(),
        model.cacheBytesPerToken(CacheType.BF16));
    String message = assertThrows(InvalidStateException.class, model::shape).getMessage();
    assertEquals("a model of type mistral has no latents", message);
  }

  private static List<List<Long>> shapes(List<TensorNeed> needs, TensorRole... roles) {
    List<TensorRole> asked = List.of(roles);
    return needs.stream()
        .flatMap(need -> Stream.concat(Stream.of(need), need.apart().stream()))
        .filter(need -> asked.contains(need.role()))
        .map(TensorNeed::shape)
        .toList();
  }

  /** 4 heads of 16 + 8 elements and values of 16, latents of 32, a width of 64. */
  @Test
  void keysAndValuesMayStandApart() {
    ModelDescription model = read("v3-f16");
    assertEquals(
        List.of(List.of(4L * (16 + 16), 32L), List.of(4L * 32, 16L), List.of(4L * 16, 32L)),
        shapes(
            TensorNeed.of(model.layers().getFirst(), model.hidden()),
            TensorRole.LATENT_UP,
            TensorRole.KEYS_UP,
            TensorRole.VALUES_UP));
  }

  @Test
  void aPredictorJoinsTwoRows() {
    assertEquals(
        List.of(List.of(64L), List.of(64L), List.of(64L, 128L)),
        shapes(TensorNeed.ofPredictor(64), TensorRole.values()));
  }

  private static List<TensorRole> roles(Predicate<TensorRole> which) {
    return Stream.of(TensorRole.values()).filter(which).toList();
  }

  @Test
  void whichRolesAreTreatedInTheirOwnWay() {
    assertEquals(List.of(TensorRole.INDEX_WEIGHTS, TensorRole.ROUTER), roles(TensorRole::isExact));
    assertEquals(
        List.of(TensorRole.EXPERT_GATE, TensorRole.EXPERT_UP, TensorRole.EXPERT_DOWN),
        roles(TensorRole::isOfExperts));
    assertEquals(
        List.of(
            TensorRole.DELTA_QUERY_TAPS, TensorRole.DELTA_KEY_TAPS, TensorRole.DELTA_VALUE_TAPS),
        roles(TensorRole::isConvolution));
  }

  private static List<String> problems(ModelFiles files) {
    ModelDescription model = ConfigReader.read(files.directory());
    try (Checkpoint checkpoint = Checkpoint.open(files.directory())) {
      return WeightTable.problems(model, checkpoint).stream().map(Throwable::getMessage).toList();
    }
  }

  @Test
  void allThatIsMissingIsNamedAtOnce() {
    List<String> lacking =
        List.of(
            "model.embed_tokens.weight",
            "model.norm.weight",
            "lm_head.weight",
            "model.layers.0.input_layernorm.weight",
            "model.layers.1.self_attn.o_proj.weight");
    ModelFiles files = ModelFiles.copyOf("v3-f16", folder.resolve("some"));
    assertEquals(List.of(), problems(files));
    files.header(
        MODEL,
        header -> lacking.forEach(name -> header.set("unknown." + name, header.remove(name))));
    List<String> problems = problems(files);
    assertEquals(lacking.size(), problems.size(), problems::toString);
    for (int i = 0; i < lacking.size(); i++) {
      assertTrue(problems.get(i).contains("'" + lacking.get(i) + "'"), problems.get(i));
    }
  }

  /** Only where all are found is it known which are left over. */
  @Test
  void whatHasNoPlaceIsNamedWhereNothingIsMissing() {
    ModelFiles files = ModelFiles.copyOf("v3-f16", folder.resolve("more"));
    files.header(
        MODEL,
        header ->
            header.set("model.layers.0.other", header.remove("model.layers.0.mlp.up_proj.weight")));
    assertEquals(1, problems(files).size());
    assertTrue(problems(files).getFirst().contains("up_proj"), problems(files).getFirst());
    ModelFiles fewer = ModelFiles.copyOf("v3-f16", folder.resolve("fewer"));
    fewer.json("config.json", config -> config.putNull("n_shared_experts"));
    assertEquals(1, problems(fewer).size(), problems(fewer).toString());
    assertTrue(problems(fewer).getFirst().contains("has no place"), problems(fewer).getFirst());
  }
}

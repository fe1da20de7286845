package io.mla4j.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.ops.RopeLayout;
import io.mla4j.ops.Routing;
import io.mla4j.position.RopeScaling;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The golden checkpoints: each is read, and each weight finds its place. */
public class GoldenCheckpointsTest {
  public static final Path GOLDEN = Path.of("src/test/resources/golden");
  public static final Path TINY_MLA =
      Path.of(System.getProperty("mla4j.root", "../..")).resolve("models/tiny-mla");

  static Stream<Path> checkpoints() throws Exception {
    try (Stream<Path> cases = Files.list(GOLDEN)) {
      return Stream.concat(cases.sorted().toList().stream(), Stream.of(TINY_MLA));
    }
  }

  @ParameterizedTest
  @MethodSource("checkpoints")
  void everyWeightHasItsPlace(Path directory) {
    ModelDescription model = ConfigReader.read(directory);
    try (Checkpoint checkpoint = Checkpoint.open(directory)) {
      WeightTable weights = WeightTable.resolve(model, checkpoint);
      assertEquals(model.layers().size(), weights.layers().size());
      assertEquals(
          List.of((long) model.vocabulary(), (long) model.hidden()), weights.output().shape());
      for (int l = 0; l < model.layers().size(); l++) {
        LayerDescription layer = model.layers().get(l);
        boolean dense = layer.ffn() instanceof FfnDescription.Dense;
        boolean routes = !dense || layer.shortcut().isPresent();
        assertEquals(dense, weights.layers().get(l).has(TensorRole.DENSE_UP));
        assertEquals(routes, weights.layers().get(l).has(TensorRole.ROUTER));
      }
    }
  }

  @Test
  void tinyMla() {
    ModelDescription model = ConfigReader.read(TINY_MLA);
    assertEquals("deepseek_v3", model.family());
    assertEquals(4096, model.vocabulary());
    assertEquals(2048, model.context());
    assertEquals(OptionalInt.of(0), model.bos());
    assertEquals(List.of(1), model.eos());
    assertEquals(6, model.layers().size());
    assertEquals(new FfnDescription.Dense(704), model.layers().get(0).ffn());
    assertEquals(
        new FfnDescription.Mixture(
            new Routing(
                8,
                2,
                Routing.Score.SIGMOID,
                2,
                1,
                Routing.GroupScore.TOP2_SUM,
                Routing.GroupMask.NEGATIVE_INFINITY,
                true,
                2.5f),
            FfnDescription.ChoiceBias.REQUIRED,
            0,
            128,
            128,
            Float.POSITIVE_INFINITY,
            Float.POSITIVE_INFINITY,
            false),
        model.layers().get(1).ffn());
    AttentionDescription.Mla attention = model.layers().get(5).mla();
    double m = 0.1 * Math.log(4) + 1;
    assertEquals(m * m / Math.sqrt(48), attention.scoreScale(), 1e-8);
    assertEquals(new RopeScaling.Yarn(4, 512, 32, 1, true, 1), attention.rope().scaling());
  }

  @Test
  void whatTheCasesAreFor() {
    assertEquals(OptionalInt.empty(), attention("v2-lite").queryLatent());
    assertEquals(RopeLayout.HALVES, attention("v3-half-split-rope").rope().layout());
    assertEquals(new RopeScaling.Linear(4), attention("v3-linear-rope").rope().scaling());
    assertEquals(new RopeScaling.DynamicNtk(4, 24), attention("v3-dynamic-ntk").rope().scaling());
    assertEquals(new RopeScaling.Unscaled(), attention("moonlight").rope().scaling());
    assertEquals(50000, attention("moonlight").rope().theta());
    assertEquals(1, ((RopeScaling.Yarn) attention("kimi-k2").rope().scaling()).betaFast());
    assertTrue(attention("v3-bias-plain-rope").biases().output());
    assertEquals(1e-6f, attention("v3-bias-plain-rope").latentNormEps());
    assertEquals(0.01f, ConfigReader.read(GOLDEN.resolve("v3-bias-plain-rope")).normEps());
    assertTrue(
        ConfigReader.read(GOLDEN.resolve("v3-all-dense")).layers().stream()
            .allMatch(layer -> layer.ffn() instanceof FfnDescription.Dense));
  }

  @Test
  void version2Routing() {
    assertEquals(
        new Routing(
            8,
            3,
            Routing.Score.SOFTMAX,
            4,
            2,
            Routing.GroupScore.MAX,
            Routing.GroupMask.ZERO,
            false,
            16),
        mixture("v2-grouped").routing());
    assertEquals(
        new Routing(
            8,
            3,
            Routing.Score.SOFTMAX,
            1,
            1,
            Routing.GroupScore.MAX,
            Routing.GroupMask.ZERO,
            false,
            1),
        mixture("v2-lite").routing());
    assertEquals(48, mixture("v2-lite").sharedWidth());
  }

  @Test
  void tiedEmbedding() {
    Path directory = GOLDEN.resolve("youtu");
    ModelDescription model = ConfigReader.read(directory);
    assertTrue(model.tied());
    try (Checkpoint checkpoint = Checkpoint.open(directory)) {
      WeightTable weights = WeightTable.resolve(model, checkpoint);
      assertSame(weights.embedding(), weights.output());
    }
  }

  private static AttentionDescription.Mla attention(String name) {
    return ConfigReader.read(GOLDEN.resolve(name)).layers().get(0).mla();
  }

  private static FfnDescription.Mixture mixture(String name) {
    return (FfnDescription.Mixture) ConfigReader.read(GOLDEN.resolve(name)).layers().get(1).ffn();
  }
}

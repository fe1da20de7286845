package io.mla4j.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.mla4j.InvalidArgumentException;
import io.mla4j.Mla4jException;
import io.mla4j.checkpoint.AttentionDescription.Mla;
import io.mla4j.position.RopeEncoding;
import io.mla4j.position.RopeScaling;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Positions told otherwise than configurations say. */
class PositionOverrideTest {
  private static final Path MODELS = Path.of(System.getProperty("mla4j.root"), "models");

  @TempDir Path folder;

  private static ModelDescription read(String model, PositionOverride positions) {
    try (Checkpoint checkpoint = Checkpoint.open(MODELS.resolve(model))) {
      return ConfigReader.read(checkpoint, positions);
    }
  }

  private static Mla mla(PositionOverride positions) {
    return read("tiny-mla", positions).layers().getFirst().mla();
  }

  private static Mla scaled(String text) {
    return mla(PositionOverride.rope(text));
  }

  @Test
  void theScalingThatTheConfigurationHasChangesNothing() {
    assertEquals(mla(null), scaled("yarn:4,512"));
  }

  @Test
  void everyScalingTakesThePlaceOfTheConfigurations() {
    assertEquals(new RopeScaling.Unscaled(), scaled("none").rope().scaling());
    assertEquals((float) (1 / Math.sqrt(48)), scaled("none").scoreScale());
    assertEquals(new RopeScaling.Linear(2.5), scaled("linear:2.5").rope().scaling());
    assertEquals(new RopeScaling.Ntk(4), scaled("ntk:4").rope().scaling());
    assertEquals(new RopeScaling.DynamicNtk(4, 2048), scaled("dynamic:4").rope().scaling());
    RopeScaling.Yarn yarn = (RopeScaling.Yarn) scaled("yarn:16,512").rope().scaling();
    assertEquals(16, yarn.factor());
    double m = RopeScaling.Yarn.mscale(16, 1);
    assertEquals((float) (m * m / Math.sqrt(48)), scaled("yarn:16,512").scoreScale());
    assertEquals(8 * 2048, read("tiny-mla", PositionOverride.rope("linear:2")).context());
    assertEquals(32 * 2048, read("tiny-mla", PositionOverride.rope("linear:32")).context());
  }

  /** Dynamic scaling makes the context of a configuration longer by itself. */
  @Test
  void textsMayBecomeEightTimesAsLongOrAsLongAsTheyAreStretched() {
    for (String type : List.of("linear", "ntk", "dynamic")) {
      assertEquals(8 * 2048, read("tiny-mla", PositionOverride.rope(type + ":4")).context());
      assertEquals(32 * 2048, read("tiny-mla", PositionOverride.rope(type + ":31.5")).context());
    }
    assertEquals(
        Integer.MAX_VALUE, read("tiny-mla", PositionOverride.rope("ntk:1073741824")).context());
  }

  /** Theta, and YaRN's temperature, from wherever the configuration has them. */
  @Test
  void whatIsNoScalingStays() throws IOException {
    ModelFiles files = ModelFiles.copyOf("v3-f16", folder.resolve("model"));
    String rope =
        "{\"rope_type\": \"linear\", \"factor\": 2, \"mscale\": 0.5, \"rope_theta\": 700}";
    ObjectNode said = (ObjectNode) ModelFiles.MAPPER.readTree(rope);
    for (String key : List.of("rope_scaling", "rope_parameters")) {
      files.json(
          "config.json",
          config -> {
            config.remove(List.of("rope_theta", "rope_scaling", "rope_parameters"));
            // an empty object says nothing
            config.putObject("rope_scaling");
            config.set(key, said);
          });
      try (Checkpoint checkpoint = Checkpoint.open(files.directory())) {
        ModelDescription model = ConfigReader.read(checkpoint, PositionOverride.rope("yarn:4,16"));
        RopeEncoding encoding = model.layers().getFirst().mla().rope();
        assertEquals(700, encoding.theta(), key);
        assertEquals(
            new RopeScaling.Yarn(4, 16, 32, 1, true, RopeScaling.Yarn.attentionFactor(4, 0.5, 1)),
            encoding.scaling(),
            key);
      }
    }
  }

  @Test
  void aPartOfALargerModelAndAGgufFileAreScaledToo() throws Exception {
    Path gguf = Path.of(PositionOverrideTest.class.getResource("/grouped/qwen2-gqa.gguf").toURI());
    for (Path model : List.of(GoldenCheckpointsTest.GOLDEN.resolve("mistral4"), gguf)) {
      try (Checkpoint checkpoint = Checkpoint.open(model)) {
        ModelDescription scaled = ConfigReader.read(checkpoint, PositionOverride.rope("linear:3"));
        ModelDescription own = ConfigReader.read(checkpoint);
        assertEquals(
            Optional.of(new RopeScaling.Linear(3)),
            scaled.layers().getLast().attention().rotation().map(RopeEncoding::scaling));
        assertEquals(8 * own.context(), scaled.context());
        assertEquals(own.names(), scaled.names());
      }
    }
  }

  @Test
  void theLeastAndTheMostThatCanBeAskedFor() {
    assertEquals(1, ((RopeScaling.Yarn) scaled("yarn:4,1").rope().scaling()).originalContext());
    assertEquals(
        1 << 30,
        ((RopeScaling.Yarn) scaled("yarn:4,1073741824").rope().scaling()).originalContext());
    assertEquals(new RopeScaling.Linear(1 << 30), scaled("linear:1073741824").rope().scaling());
  }

  @Test
  void longRopeIsAFile() throws IOException {
    Path file = folder.resolve("factors.json");
    List<Double> factors = List.of(1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0);
    Files.writeString(
        file,
        "{\"short_factor\": %s, \"long_factor\": %s, \"factor\": 4, %s: 512}"
            .formatted(factors, factors, "\"original_max_position_embeddings\""));
    RopeScaling.LongRope scaling =
        (RopeScaling.LongRope) scaled("longrope:" + file).rope().scaling();
    assertEquals(factors, scaling.longFactors());
    assertEquals(512, scaling.originalContext());
    Files.writeString(file, "{\"short_factor\": [1], \"long_factor\": [1]}");
    refused("short_factor", () -> scaled("longrope:" + file));
    refused("nothing.json", () -> scaled("longrope:" + folder.resolve("nothing.json")));
  }

  @Test
  void linearBiasesTakeThePlaceOfTheRotation() {
    Mla mla = mla(PositionOverride.alibi());
    assertEquals(new RopeScaling.NoRotation(), mla.rope().scaling());
    assertEquals(8, mla.slopes().size());
    assertEquals(0.5f, mla.slopes().getFirst());
    assertEquals((float) (1 / Math.sqrt(48)), mla.scoreScale());
  }

  @Test
  void aModelOfKeysAndValuesCanBeScaledButHasNoBiases() {
    AttentionDescription.Grouped grouped =
        read("tiny-gqa", PositionOverride.rope("linear:2")).grouped().orElseThrow();
    assertEquals(new RopeScaling.Linear(2), grouped.rope().scaling());
    refused("latent attention", () -> read("tiny-gqa", PositionOverride.alibi()));
  }

  @Test
  void whereNothingIsRotatedThereIsNothingToScale() {
    refused("nothing is rotated", () -> read("tiny-mla-alibi", PositionOverride.rope("ntk:2")));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "None",
        "none:1",
        "linear",
        "linear:",
        "linear:0",
        "linear:x",
        "linear:NaN",
        "linear:1073741825",
        "ntk:-1",
        "yarn:4",
        "yarn:4,0",
        "yarn:4,1.5",
        "yarn:4,1073741825",
        "yarn:4,512,3",
        "longrope",
        "longrope:"
      })
  void otherTextsAreRefused(String text) {
    InvalidArgumentException e =
        assertThrows(InvalidArgumentException.class, () -> PositionOverride.rope(text));
    assertTrue(e.getMessage().contains("must be none, linear:F"), e.getMessage());
  }

  private static void refused(String part, Runnable what) {
    Mla4jException e = assertThrows(Mla4jException.class, what::run);
    assertTrue(e.getMessage().contains(part), e.getMessage());
    assertEquals(1, e.getMessage().lines().count());
  }
}

package io.mla4j.lab;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.mla4j.Backends;
import io.mla4j.Device;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Small random models of every family, converted by every method where nothing may be lost, written
 * and read by the decoder: their logits are the original's.
 */
class ExactTest {
  private static final Path GOLDEN =
      Path.of(
          System.getProperty("mla4j.root"), "java", "model", "src", "test", "resources", "golden");
  private static final double TOLERANCE = 1e-4;

  @TempDir private Path folder;

  /** A rotation without end that turns nothing. */
  private static ObjectNode withoutRotation(ObjectMapper mapper) {
    return mapper
        .createObjectNode()
        .put("rope_theta", 10000.0)
        .put("rope_type", "linear")
        .put("factor", 1e12);
  }

  private static ObjectNode plain(ObjectMapper mapper) {
    return mapper.createObjectNode().put("rope_theta", 10000.0).put("rope_type", "default");
  }

  /** A copy of a golden case with another rotation. */
  private Path model(String name, boolean rotates) throws IOException {
    Path copy = Files.createDirectory(folder.resolve("model"));
    for (String file : List.of("model.safetensors", "config.json")) {
      Files.write(copy.resolve(file), Files.readAllBytes(GOLDEN.resolve(name).resolve(file)));
    }
    ObjectMapper mapper = new ObjectMapper();
    Path file = copy.resolve("config.json");
    ObjectNode config = (ObjectNode) mapper.readTree(file.toFile());
    config.set("rope_parameters", rotates ? plain(mapper) : withoutRotation(mapper));
    mapper.writeValue(file.toFile(), config);
    return copy;
  }

  private static int[] text(int count) {
    SplittableRandom random = new SplittableRandom(7);
    return random.ints(count, 3, 320).toArray();
  }

  @ParameterizedTest
  @ValueSource(strings = {"llama-mha", "llama-mqa", "qwen2-gqa", "mistral-gqa"})
  void allRotated(String name) throws IOException {
    try (Device device = Backends.open();
        Converter converter = Converter.open(model(name, true), device)) {
      int all = converter.cachedNumbers() / 2;
      exact(converter, device, Form.FULL, all, all);
    }
  }

  /** Whose keys are not rotated, so that none of what is cached has to be. */
  @ParameterizedTest
  @ValueSource(strings = {"llama-mha", "llama-mqa", "qwen2-gqa", "mistral-gqa"})
  void noRotation(String name) throws IOException {
    try (Device device = Backends.open();
        Converter converter = Converter.open(model(name, false), device)) {
      exact(converter, device, Form.FULL, converter.cachedNumbers(), 0);
    }
  }

  /** With one head of keys a whole head is everything, in DeepSeek's own form too. */
  @Test
  void oneHeadOfKeys() throws IOException {
    try (Device device = Backends.open();
        Converter converter = Converter.open(model("llama-mqa", true), device)) {
      exact(converter, device, Form.COMPATIBLE, converter.headWidth(), converter.headWidth());
    }
  }

  /** A key that was normed is no linear function of what the layer reads. */
  @Test
  void normedKeysAreRefused() throws IOException {
    Path model = model("qwen3-gqa", true);
    try (Device device = Backends.open()) {
      LabException e =
          assertThrows(LabException.class, () -> Converter.open(model, device).close());
      assertTrue(e.getMessage().contains("norms each head's keys"), e.getMessage());
    }
  }

  private void exact(Converter converter, Device device, Form form, int latent, int rope)
      throws IOException {
    List<Converter.Plan> plans =
        Stream.of(Method.values())
            .filter(method -> form != Form.COMPATIBLE || method != Method.MHA2MLA)
            .map(method -> new Converter.Plan(method, Method.Fitting.DEFAULT, form, latent, rope))
            .toList();
    int[][] windows = converter.windows(text(4 * (Converter.WINDOW - 1)), 0);
    List<Path> outs =
        plans.stream().map(p -> folder.resolve(form + " " + p.method() + " " + latent)).toList();
    converter.convert(plans, outs, windows, _ -> {});
    int[] text = text(200);
    float[][] original = Logits.of(converter.directory(), device, text);
    for (int p = 0; p < plans.size(); p++) {
      double worst = Logits.apart(original, Logits.of(outs.get(p), device, text));
      String what = plans.get(p).method() + ": " + worst;
      assertTrue(worst < TOLERANCE, what);
    }
  }
}

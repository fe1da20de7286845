package io.mla4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import io.mla4j.testkit.QuickRun;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** {@code mla4j perplexity}: against Hugging Face transformers. */
class PerplexityCommandTest {
  private static final String HELDOUT = TinyMla.FOLDER.resolve("heldout.txt").toString();

  @TempDir Path folder;

  static List<String> backends() {
    return TinyMla.backends();
  }

  private static double figure(Command run) {
    return Double.parseDouble(run.fine().out().lines().toList().getLast());
  }

  @ParameterizedTest
  @MethodSource("backends")
  void agreesWithTransformers(String backend) {
    JsonNode head = TinyMla.expected().get("perplexity_head");
    double expected = head.get("value").doubleValue();
    // The slowest one: its bf16 is compared by the table of operations.
    List<String> computes = backend.equals("scalar") ? List.of("f32") : List.of("f32", "bf16");
    for (String compute : computes) {
      double bound = compute.equals("f32") ? 1e-3 : 1e-2;
      Command run =
          TinyMla.run(
              "perplexity",
              "--text",
              HELDOUT,
              "--max-tokens",
              head.get("scored_tokens").asText(),
              "--compute",
              compute,
              "--backend",
              backend);
      assertEquals(expected, figure(run), bound * expected, compute);
    }
  }

  @DisabledIfSystemProperty(named = QuickRun.PROPERTY, matches = "true")
  @Test
  void theWholeText() {
    double expected = TinyMla.expected().get("perplexity").get("value").doubleValue();
    Command run = TinyMla.run("perplexity", "--text", HELDOUT, "--compute", "f32");
    assertEquals(expected, figure(run), 1e-3 * expected);
  }

  @DisabledIfSystemProperty(named = QuickRun.PROPERTY, matches = "true")
  @Test
  void longWindows() {
    if (!TinyMla.backends().contains("native")) {
      org.junit.jupiter.api.Assumptions.abort("the native library was not built");
    }
    JsonNode longer = TinyMla.expected().get("perplexity_long");
    double expected = longer.get("value").doubleValue();
    Command run =
        TinyMla.run(
            "perplexity",
            "--text",
            HELDOUT,
            "--context",
            longer.get("context").asText(),
            "--max-tokens",
            longer.get("scored_tokens").asText(),
            "--compute",
            "f32");
    assertEquals(expected, figure(run), 1e-3 * expected);
  }

  @Test
  void badArguments() throws Exception {
    TinyMla.run("perplexity").refused(2, "--text");
    TinyMla.run("perplexity", "--text", HELDOUT, "--context", "1").refused(2, "--context is 1");
    TinyMla.run("perplexity", "--text", HELDOUT, "--context", "9999").refused(2, "9999", "2048");
    TinyMla.run("perplexity", "--text", HELDOUT, "--max-tokens", "0").refused(2, "--max-tokens");
    String absent = folder.resolve("absent.txt").toString();
    TinyMla.run("perplexity", "--text", absent).refused(1, absent, "does not exist");
    TinyMla.run("perplexity", "--text", folder.toString()).refused(1, "is a folder");
    Path empty = Files.createFile(folder.resolve("empty.txt"));
    TinyMla.run("perplexity", "--text", empty.toString()).refused(1, "no tokens");
    Path latin = Files.write(folder.resolve("latin.txt"), new byte[] {'a', (byte) 0xe4, 'b'});
    TinyMla.run("perplexity", "--text", latin.toString()).refused(1, "UTF-8");
  }
}

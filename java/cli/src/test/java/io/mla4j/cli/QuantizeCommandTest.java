package io.mla4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.testkit.QuickRun;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code mla4j quantize}: what it costs the carried model. */
class QuantizeCommandTest {
  private static final String HELDOUT = TinyMla.FOLDER.resolve("heldout.txt").toString();

  @TempDir Path folder;

  private Path quantize(String type) throws IOException {
    Path file = folder.resolve("tiny.gguf");
    TinyMla.run("quantize", "--type", type, "--out", file.toString()).fine();
    for (String name : List.of("tokenizer.json", "tokenizer_config.json")) {
      Files.copy(TinyMla.FOLDER.resolve(name), folder.resolve(name));
    }
    return file;
  }

  private static double perplexity(Path model) {
    Command run =
        Command.run(
            "perplexity",
            "--model",
            model.toString(),
            "--text",
            HELDOUT,
            "--max-tokens",
            "2000",
            "--compute",
            "f32",
            "--backend",
            "vector");
    return Double.parseDouble(run.fine().out().lines().toList().getLast());
  }

  @DisabledIfSystemProperty(named = QuickRun.PROPERTY, matches = "true")
  @ParameterizedTest
  @CsvSource({"bf16, 0", "q8_0, 0.5", "q4_k_m, 6"})
  void perplexityChangesByLessThan(String type, double percent) throws IOException {
    quantize(type);
    double before = perplexity(TinyMla.FOLDER);
    double after = perplexity(folder);
    assertEquals(0, 100 * (after / before - 1), percent, before + " became " + after);
  }

  @Test
  void aGgufIsQuantizedAgain() throws IOException {
    Path eight = quantize("q8_0");
    Path four = folder.resolve("four.gguf");
    Command.run("quantize", "--model", eight.toString(), "--type", "q4_0", "--out", four.toString())
        .fine();
    assertTrue(Files.size(four) < Files.size(eight));
  }

  @Test
  void badUsage() {
    String out = folder.resolve("x.gguf").toString();
    TinyMla.run("quantize", "--type", "q3_k", "--out", out).refused(2, "q4_k_m");
    TinyMla.run("quantize", "--type", "q8_0").refused(2, "--out");
    TinyMla.run("quantize", "--type", "q8_0", "--out", "/nowhere/x.gguf").refused(1, "no folder");
    TinyMla.run("quantize", "--type", "q8_0", "--out", out, "--threads", "0").refused(2, "threads");
    assertFalse(Files.exists(Path.of(out)));
  }
}

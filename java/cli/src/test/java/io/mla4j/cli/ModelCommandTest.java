package io.mla4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code mla4j model}: what it says, and all that is wrong at once. */
class ModelCommandTest {
  @TempDir private Path folder;

  private static Command run(Path path, String... arguments) {
    String[] all = new String[arguments.length + 2];
    all[0] = "model";
    all[1] = path.toString();
    System.arraycopy(arguments, 0, all, 2, arguments.length);
    return Command.run(all);
  }

  @Test
  void saysWhatTheCarriedModelIsAndCosts() {
    String out = run(TinyMla.FOLDER).fine().out();
    assertTrue(out.contains("family     deepseek_v3"), out);
    assertTrue(out.contains("8 heads, latent 64 + rope 16, nope 32, value 32"), out);
    assertTrue(out.contains("weights    BF16"), out);
    assertTrue(out.contains("tokenizer  tokenizer.json"), out);
    assertTrue(out.contains("fits"), out);
    JsonNode root = TinyMla.json(run(TinyMla.FOLDER, "--context", "1000", "--json").fine().out());
    assertEquals(6, root.get("layers").intValue());
    assertEquals(1000, root.get("context").intValue());
    assertEquals(
        1000 * root.get("cacheBytesPerToken").longValue(), root.get("cacheBytes").longValue());
    assertEquals(
        6 * root.get("cacheBytesPerTokenAndLayer").longValue(),
        root.get("cacheBytesPerToken").longValue());
    assertEquals(0, root.get("problems").size());
  }

  @Test
  void layersWithAStateAreCountedApart() {
    Path kimi =
        TinyMla.FOLDER
            .resolveSibling("..")
            .resolve("java/model/src/test/resources/golden/kimi-linear");
    String out = run(kimi).fine().out();
    assertTrue(out.contains("layers     5, 4 with experts, 3 with a state"), out);
    assertTrue(out.contains("cannot be rewound"), out);
    JsonNode root = TinyMla.json(run(kimi, "--json").fine().out());
    assertEquals(3, root.get("layersWithState").intValue());
    // two of each layer: 4 heads of 16 x 16 and 9 x 16 numbers
    assertEquals(2 * 3 * 4 * (256 + 144) * 4, root.get("stateBytes").longValue());
    assertEquals(
        2 * root.get("cacheBytesPerTokenAndLayer").longValue(),
        root.get("cacheBytesPerToken").longValue());
  }

  @Test
  void whatCannotRunSaysAllReasonsAtOnce() throws Exception {
    Files.writeString(folder.resolve("config.json"), "{\"model_type\": \"gemma\"}");
    Command none = run(folder);
    assertEquals(1, none.code());
    assertTrue(none.err().contains("cannot run, for 2 reasons"), none.err());
    assertTrue(none.out().contains("nor a GGUF file"), none.out());
    assertTrue(none.out().contains("model_type is 'gemma', which is not supported"), none.out());
    Path config = folder.resolve("config.json");
    Files.copy(TinyMla.FOLDER.resolve("model.safetensors"), folder.resolve("model.safetensors"));
    Files.writeString(
        config,
        Files.readString(TinyMla.FOLDER.resolve("config.json"))
            .replace("\"hidden_size\": 256", "\"hidden_size\": 512"));
    Command many = run(folder);
    assertEquals(1, many.code());
    assertTrue(many.err().contains("cannot run, for 21 reasons"), many.err());
    assertTrue(many.out().contains("but the configuration asks for [4096, 512]"), many.out());
    assertTrue(many.out().contains("tensors more"), many.out());
  }

  @Test
  void badUsage() {
    Command.run("model").refused(2, "PATH");
    run(TinyMla.FOLDER, "--context", "0").refused(2, "--context is 0");
    run(folder.resolve("absent")).refused(1, "is neither a directory nor a GGUF file");
  }
}

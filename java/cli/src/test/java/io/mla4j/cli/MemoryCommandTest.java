package io.mla4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** {@code mla4j memory}: the numbers, for names and folders. */
class MemoryCommandTest {
  private static JsonNode json(String... args) throws Exception {
    return new ObjectMapper().readTree(Command.run(args).fine().out());
  }

  @Test
  void deepSeekV3() throws Exception {
    JsonNode root =
        json("memory", "--model", "DeepSeek-V3", "--context", "1000", "--batch", "2", "--json");
    JsonNode mha = root.get("caches").get(0);
    assertEquals("MHA", mha.get("form").textValue());
    assertEquals(2L * 128 * 320 * 61 * 2000, mha.get("bytes").longValue());
    JsonNode mla = root.get("caches").get(3);
    assertEquals("MLA", mla.get("form").textValue());
    assertEquals(2L * 576 * 61 * 2000, mla.get("bytes").longValue());
    Command table = Command.run("memory", "--model", "v3", "--context", "1000", "--batch", "2");
    assertTrue(table.fine().out().contains(Long.toString(2L * 576 * 61 * 2000)), table.out());
    assertEquals("", table.err());
  }

  @Test
  void aFolder() throws Exception {
    Path tiny = Path.of(System.getProperty("mla4j.root"), "models", "tiny-mla");
    JsonNode root = json("memory", "--model", tiny.toString(), "--context", "1", "--json");
    assertEquals(2L * 80 * 6, root.get("caches").get(3).get("bytes").longValue());
    assertEquals(1, root.get("batch").intValue());
  }

  @Test
  void everyPublishedModelByName() throws Exception {
    for (String name :
        "DeepSeek-V2-Lite V2 V3 Moonlight Kimi-K2 MiniCPM3 GLM-4.7-Flash GLM-5 Youtu".split(" ")) {
      Command.run("memory", "--model", name, "--context", "4096").fine();
    }
  }

  @Test
  void badUsage() {
    Command.run("memory", "--context", "1").refused(2, "--model");
    Command.run("memory", "--model", "v3").refused(2, "--context");
    Command.run("memory", "--model", "nobody", "--context", "1")
        .refused(2, "nobody", "DeepSeek-V3", "Youtu");
    Command.run("memory", "--model", "v3", "--context", "0").refused(2, "context is 0");
    Command.run("memory", "--model", "v3", "--context", "" + Long.MAX_VALUE).refused(2, "2^63");
    Command.run("memory", "--model", "v3", "--context", "many").refused(2, "many");
  }
}

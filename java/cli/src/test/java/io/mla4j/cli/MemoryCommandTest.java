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
  void aModelThatCachesKeysAndValues() throws Exception {
    Path tiny = Path.of(System.getProperty("mla4j.root"), "models", "tiny-gqa");
    JsonNode root = json("memory", "--model", tiny.toString(), "--context", "1", "--json");
    JsonNode own = root.get("caches").get(4);
    assertEquals("GQA", own.get("form").textValue());
    assertTrue(own.get("asStored").booleanValue());
    assertEquals("bf16", own.get("cacheType").textValue());
    assertEquals(2L * 4 * 64 * 6, own.get("bytes").longValue());
    String table = Command.run("memory", "--model", tiny.toString(), "--context", "1").fine().out();
    assertTrue(table.contains("6 layers, 8 heads, GQA of 4 x (32 + 32)"), table);
  }

  @Test
  void whatFitsIntoADevice() throws Exception {
    String[] args = {"memory", "--device", "24GB", "--context", "131072", "--batch", "64"};
    String table = Command.run(args).fine().out();
    assertTrue(table.contains("24.00 GiB"), table);
    assertTrue(table.contains("Kimi-K2") && table.contains("Llama-3.1-70B"), table);
    JsonNode root =
        json("memory", "--device", "24GB", "--model", "v3", "--context", "131072", "--json");
    assertEquals(24L << 30, root.get("deviceBytes").longValue());
    JsonNode mha = root.get("caches").get(0);
    assertEquals("MHA", mha.get("form").textValue());
    assertEquals((24L << 30) / (2L * 128 * 320 * 61), mha.get("longestContext").longValue());
    assertEquals(0, mha.get("sequences").longValue());
    assertEquals(26, mha.get("devices").longValue());
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
    Command.run("memory", "--device", "much", "--context", "1").refused(2, "--device", "much");
    Command.run("memory", "--device", "0", "--context", "1").refused(2, "--device");
    Command.run("memory", "--model", "v3").refused(2, "--context");
    Command.run("memory", "--model", "nobody", "--context", "1")
        .refused(2, "nobody", "DeepSeek-V3", "Youtu");
    Command.run("memory", "--model", "v3", "--context", "0").refused(2, "context is 0");
    Command.run("memory", "--model", "v3", "--context", "" + Long.MAX_VALUE).refused(2, "2^63");
    Command.run("memory", "--model", "v3", "--context", "many").refused(2, "many");
  }
}

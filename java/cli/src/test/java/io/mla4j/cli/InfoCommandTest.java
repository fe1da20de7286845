package io.mla4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** {@code mla4j info}: everything that a bug report needs. */
class InfoCommandTest {
  @Test
  void showsBackendsWithTheirReasons() {
    Command info = Command.run("info").fine();
    assertEquals("", info.err());
    for (String part :
        List.of(
            "mla4j    0.1.0",
            "JDK ",
            "isa ",
            "threads ",
            "GPU ",
            "cuda",
            "native",
            "vector",
            "scalar")) {
      assertTrue(info.out().contains(part), part + " is missing in\n" + info.out());
    }
  }

  @Test
  void jsonHasTheSame() throws Exception {
    Command info = Command.run("info", "--json").fine();
    assertEquals(1, info.out().lines().count());
    JsonNode root = new ObjectMapper().readTree(info.out());
    assertEquals("0.1.0", root.get("version").textValue());
    assertTrue(root.get("threads").intValue() >= 1);
    assertEquals(
        System.getProperty("mla4j.cuda.emulated"),
        root.get("backends").get(0).path("emulator").textValue());
    assertFalse(root.get("reason").textValue().isEmpty());
    assertTrue(List.of("f32", "bf16").contains(root.get("computeType").textValue()));
    List<String> names = new ArrayList<>();
    for (JsonNode backend : root.get("backends")) {
      names.add(backend.get("name").textValue());
      assertFalse(backend.get("reason").textValue().isEmpty());
      assertEquals(backend.get("available").booleanValue(), !backend.get("isas").isEmpty());
    }
    assertEquals(List.of("cuda", "native", "vector", "scalar"), names);
    assertTrue(names.contains(root.get("backend").textValue()));
  }
}

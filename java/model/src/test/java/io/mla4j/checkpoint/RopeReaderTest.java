package io.mla4j.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/** Objects with rotary keys that are empty, and factors that do not fit. */
class RopeReaderTest {
  private static final Path FILE =
      GoldenCheckpointsTest.GOLDEN.resolve("v3-yarn").resolve("config.json");

  private static ModelDescription read(Consumer<ObjectNode> change) throws Exception {
    ObjectNode config = (ObjectNode) ModelFiles.MAPPER.readTree(Files.readString(FILE));
    change.accept(config);
    return ConfigReader.read(FILE, config);
  }

  /** As exporters write it where there is nothing to say. */
  @Test
  void anEmptyObjectSaysNothing() throws Exception {
    ModelDescription stretched = read(_ -> {});
    assertEquals(stretched, read(config -> config.putObject("rope_parameters")));
    assertEquals(
        stretched,
        read(
            config -> {
              config.set("rope_parameters", config.get("rope_scaling"));
              config.putObject("rope_scaling");
            }));
    ModelDescription plain = read(config -> config.putNull("rope_scaling"));
    assertEquals(plain, read(config -> config.putObject("rope_scaling")));
    assertEquals(
        plain,
        read(
            config -> {
              config.putObject("rope_scaling");
              config.putObject("rope_parameters");
            }));
  }

  @Test
  void partOfTheRotatedWidthIsRefused() throws Exception {
    assertEquals(read(_ -> {}), read(config -> config.put("partial_rotary_factor", 1.0)));
    String message =
        assertThrows(
                CheckpointException.class,
                () -> read(config -> config.put("partial_rotary_factor", 0.5)))
            .getMessage();
    assertTrue(
        message.contains("partial_rotary_factor is 0.5, but must be 1: what is rotated"), message);
  }
}

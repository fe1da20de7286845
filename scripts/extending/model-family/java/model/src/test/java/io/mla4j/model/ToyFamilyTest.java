package io.mla4j.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.Backends;
import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.checkpoint.ConfigReader;
import io.mla4j.checkpoint.ModelFiles;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The golden model v3-f16 as a model of the new family. */
class ToyFamilyTest {
  @TempDir private Path folder;

  @Test
  void theModelIsTheSame() {
    ModelFiles files = ModelFiles.copyOf("v3-f16", folder);
    files.json("config.json", config -> config.put("model_type", "toy_mla"));
    assertEquals("toy_mla", ConfigReader.read(folder).family());
    Golden known = Golden.read("v3-f16");
    Golden toy = new Golden("toy", folder, known.inputIds(), known.logits(), known.greedyIds());
    try (Device device = Backends.open(new Backends.Choice("scalar", null, 1))) {
      double difference =
          GoldenLogitsTest.difference(toy, device, DecoderOptions.of(ComputeType.F32));
      assertTrue(difference <= GoldenLogitsTest.F32_BOUND, "difference " + difference);
    }
  }
}

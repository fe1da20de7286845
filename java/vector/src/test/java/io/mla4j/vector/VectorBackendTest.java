package io.mla4j.vector;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.BackendException;
import io.mla4j.Device;
import io.mla4j.spi.Backend;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.ServiceLoader;
import jdk.incubator.vector.FloatVector;
import org.junit.jupiter.api.Test;

class VectorBackendTest {
  @Test
  void isFoundAsAServiceAndOpensItsInstructionSet() {
    Backend backend =
        ServiceLoader.load(Backend.class).stream()
            .map(ServiceLoader.Provider::get)
            .filter(b -> b.name().equals("vector"))
            .findFirst()
            .orElseThrow();
    Backend.Probe probe = backend.probe();
    assertTrue(probe.available(), probe.reason());
    String isa = probe.isas().getFirst();
    try (Device device = backend.open(new Backend.Options(1, isa))) {
      assertEquals("vector", device.backend());
      assertEquals(isa, device.isa());
    }
  }

  @Test
  void vectorsAreAsLongAsAskedForOrPreferred() {
    int preferred = FloatVector.SPECIES_PREFERRED.vectorBitSize();
    int asked = Integer.getInteger(Lanes.BITS_PROPERTY, preferred);
    assertEquals(Math.min(Math.min(asked, preferred), 512), Lanes.F.vectorBitSize());
  }

  @Test
  void namesTheInstructionSetsThatItHas() {
    Backend.Options options = new Backend.Options(1, "vector-2048");
    BackendException e =
        assertThrows(BackendException.class, () -> new VectorBackend().open(options));
    assertTrue(e.getMessage().contains("vector-2048"), e.getMessage());
    assertTrue(e.getMessage().contains("vector-" + Lanes.F.vectorBitSize()), e.getMessage());
  }

  @Test
  void saysWhatToAddWhereTheModuleIsMissing() throws IOException, InterruptedException {
    Process process =
        new ProcessBuilder(
                List.of(
                    Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                    "-cp",
                    System.getProperty("java.class.path"),
                    ProbeMain.class.getName()))
            .redirectErrorStream(true)
            .start();
    String output =
        new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
    assertEquals(0, process.waitFor(), output);
    assertFalse(output.contains("true"), output);
    assertTrue(output.contains("--add-modules jdk.incubator.vector"), output);
  }

  /** Prints the probe of a JVM that was started without the incubator module. */
  static final class ProbeMain {
    private ProbeMain() {}

    public static void main(String[] args) {
      Backend.Probe probe = new VectorBackend().probe();
      System.out.println(probe.available() + " " + probe.reason());
    }
  }
}

package io.mla4j.ops;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;

import io.mla4j.cpu.ScalarBackend;
import io.mla4j.spi.Backend;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ServiceLoader;
import org.junit.jupiter.api.Test;

/** Every backend's module has the file by which it is known where its service file was lost. */
class BackendFilesTest {
  @Test
  void filesSayNameAndRank() throws IOException {
    for (Backend backend : ServiceLoader.load(Backend.class)) {
      if (backend instanceof ScalarBackend) {
        continue; // of core itself, which needs no file to find it
      }
      String file = "/META-INF/mla4j/backends/" + backend.getClass().getName();
      try (InputStream in = backend.getClass().getResourceAsStream(file)) {
        assertNotNull(in, file);
        assertEquals(
            backend.name() + " " + backend.rank(),
            new String(in.readAllBytes(), StandardCharsets.UTF_8).strip());
      }
    }
  }
}

package io.mla4j.ffi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.BackendException;
import io.mla4j.Backends;
import io.mla4j.Device;
import io.mla4j.ffi.library.LibraryFinder;
import io.mla4j.spi.Backend;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The backend: what it finds out, opening devices, and what happens where there is no library. */
class NativeBackendTest {
  @TempDir Path folder;

  private static NativeBackend with(Map<String, String> properties) {
    return new NativeBackend(
        new LibraryFinder(
            "cpu",
            name -> properties.getOrDefault(name, System.getProperty(name)),
            _ -> null,
            _ -> null));
  }

  @Test
  void probeTellsLibraryVersionAndInstructionSets() {
    Path file = Natives.file();
    Backend.Probe probe = with(Map.of("mla4j.cpu.library", file.toString())).probe();
    assertTrue(probe.available());
    assertEquals(file, probe.library().orElseThrow());
    assertEquals("0.1.0", probe.version().orElseThrow());
    assertEquals(Natives.library().isas(), probe.isas());
    assertEquals(Natives.library().reason(), probe.reason());
  }

  @Test
  void opensAnInstructionSetByName() {
    NativeBackend backend = with(Map.of("mla4j.cpu.library", Natives.file().toString()));
    for (String isa : backend.probe().isas()) {
      try (Device device = backend.open(new Backend.Options(1, isa));
          Arena arena = Arena.ofShared()) {
        assertEquals("native", device.backend());
        assertEquals(isa, device.isa());
        MemorySegment memory = device.allocate(1000, arena);
        assertEquals(0, memory.address() % 64);
      }
    }
    try (Device device = backend.open(new Backend.Options(1, null))) {
      assertEquals(backend.probe().isas().getFirst(), device.isa());
    }
    String message =
        assertThrows(BackendException.class, () -> backend.open(new Backend.Options(1, "avx1024")))
            .getMessage();
    assertTrue(message.contains("avx1024") && message.contains("generic"), message);
  }

  @Test
  void aNamedFileThatDoesNotLoadIsAFailureNotAFallback() throws Exception {
    Path wrong = Files.writeString(folder.resolve("wrong.so"), "no library");
    NativeBackend backend = with(Map.of("mla4j.cpu.library", wrong.toString()));
    assertTrue(backend.demanded());
    assertFalse(backend.probe().available());
    assertTrue(backend.probe().reason().contains(wrong.toString()), backend.probe().reason());
    assertThrows(BackendException.class, () -> backend.open(new Backend.Options(1, null)));
  }

  @Test
  void withoutALibraryItSaysWhy() {
    NativeBackend backend = with(Map.of());
    assertFalse(backend.demanded());
    Backend.Probe probe = backend.probe();
    assertFalse(probe.available());
    assertTrue(probe.reason().contains("no META-INF/native/"), probe.reason());
    assertTrue(probe.isas().isEmpty());
  }

  @Test
  void isFoundByService() {
    assertTrue(
        Backends.list().stream().anyMatch(s -> s.name().equals("native") && s.rank() == 200));
  }

  /** Two processes that start at once with an empty cache: both get the same whole file. */
  @Test
  void twoProcessesExtractAtOnce() throws Exception {
    Natives.library();
    if (LibraryFinder.class.getResource("/META-INF/native") == null) {
      org.junit.jupiter.api.Assumptions.abort("the library is not on the class path");
    }
    List<Process> processes = new ArrayList<>();
    for (int i = 0; i < 2; i++) {
      processes.add(
          new ProcessBuilder(
                  Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                  "--enable-native-access=ALL-UNNAMED",
                  "-Dmla4j.cache=" + folder,
                  "-cp",
                  System.getProperty("java.class.path"),
                  Extract.class.getName())
              .redirectErrorStream(true)
              .start());
    }
    List<String> outputs = new ArrayList<>();
    for (Process process : processes) {
      outputs.add(
          new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip());
      assertEquals(0, process.waitFor(), outputs.toString());
    }
    assertEquals(outputs.get(0), outputs.get(1));
    assertTrue(Files.isRegularFile(Path.of(outputs.get(0))), outputs.get(0));
  }

  /** What each of the processes runs. */
  static final class Extract {
    private Extract() {}

    /** Prints the file that the backend loaded. */
    public static void main(String[] args) {
      Backend.Probe probe = new NativeBackend().probe();
      System.out.println(probe.library().map(Path::toString).orElse(probe.reason()));
    }
  }
}

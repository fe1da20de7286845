package io.mla4j.cuda;

import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.abort;

import java.lang.foreign.Arena;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The CUDA library of the tests: the one that {@code -Dmla4j.test.cuda.library} names, else the
 * emulated one of the build.
 */
public final class CudaTestLibrary {
  /** Set where a compiler is there: then a missing library is a failure, no reason to skip. */
  private static final String REQUIRE = "MLA4J_REQUIRE_NATIVE";

  private CudaTestLibrary() {}

  /** Its file; the test is skipped where there is none. */
  public static Path file() {
    String name = System.getProperty("mla4j.test.cuda.library", "");
    if (name.isBlank()) {
      name = System.getProperty("mla4j.cuda.emulated", "");
    }
    if (name.isBlank() || !Files.isRegularFile(Path.of(name))) {
      String reason = "there is no CUDA library to test: '" + name + "'";
      if ("1".equals(System.getenv(REQUIRE))) {
        fail(REQUIRE + " is 1, but " + reason);
      }
      abort(reason);
    }
    return Path.of(name);
  }

  /** Whether it is an emulated one, as {@link Emulator} needs it. */
  public static boolean isEmulated() {
    return SymbolLookup.libraryLookup(file(), Arena.global())
        .find("mla_emulator_reset")
        .isPresent();
  }
}

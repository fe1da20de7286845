package io.mla4j.ffi;

import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.abort;

import io.mla4j.BackendException;
import io.mla4j.ffi.library.LibraryFinder;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** What tests need of the machine: the library that the build made, a C compiler. */
final class Natives {
  /** Set where a compiler is there: then a missing library is a failure, no reason to skip. */
  private static final String REQUIRE = "MLA4J_REQUIRE_NATIVE";

  private static final Found FOUND = find();

  private record Found(Path file, NativeLibrary library, String reason) {}

  private Natives() {}

  /** The built library; the test is skipped where there is none. */
  static NativeLibrary library() {
    if (FOUND.library() == null) {
      if ("1".equals(System.getenv(REQUIRE))) {
        fail(REQUIRE + " is 1, but " + FOUND.reason());
      }
      abort(FOUND.reason());
    }
    return FOUND.library();
  }

  /** Its file. */
  static Path file() {
    library();
    return FOUND.file();
  }

  private static Found find() {
    try {
      return LibraryFinder.ofProcess("cpu")
          .load(file -> new Found(file, NativeLibrary.open(file), null));
    } catch (BackendException e) {
      return new Found(null, null, e.getMessage());
    }
  }

  /** Compiles and links; the test is skipped where there is no compiler. */
  static void compile(String... arguments) throws InterruptedException {
    List<String> command = new java.util.ArrayList<>(List.of("cc"));
    command.addAll(List.of(arguments));
    try {
      Process process = new ProcessBuilder(command).inheritIO().start();
      if (process.waitFor() != 0) {
        fail("failed: " + command);
      }
    } catch (IOException e) {
      abort("no C compiler: " + e.getMessage());
    }
  }
}

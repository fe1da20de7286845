package io.mla4j.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.bench.AttentionGrid.Phase;
import io.mla4j.bench.AttentionGrid.Residency;
import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Somebody else's library beside ours: timed when it is right, refused when it is wrong. */
class LibraryTest {
  private static final Path NATIVE = Path.of(System.getProperty("mla4j.root"), "native");
  private static final Path EXAMPLE = NATIVE.resolve("examples/example_kernel.cpp");

  @TempDir Path folder;

  private Path build(String name, String source) throws Exception {
    Path file = Files.writeString(folder.resolve(name + ".cpp"), source);
    Path library = folder.resolve(name + ".so");
    File log = folder.resolve("log").toFile();
    String compiler = System.getenv().getOrDefault("CXX", "c++");
    Process process;
    try {
      process =
          new ProcessBuilder(
                  compiler,
                  "-std=c++20",
                  "-O2",
                  "-shared",
                  "-fPIC",
                  "-I" + NATIVE.resolve("include"),
                  "-I" + NATIVE.resolve("src"),
                  file.toString(),
                  NATIVE.resolve("src/abi/layout.cpp").toString(),
                  "-o",
                  library.toString())
              .redirectErrorStream(true)
              .redirectOutput(log)
              .start();
    } catch (java.io.IOException e) {
      Assumptions.abort("there is no " + compiler);
      throw e;
    }
    assertEquals(
        0, process.waitFor(), () -> "the example does not compile, see the log of " + compiler);
    return library;
  }

  private static Report run(Path library, boolean verify, Kind kind) {
    AttentionGrid grid =
        new AttentionGrid(
            List.of(Phase.DECODE),
            List.of(kind),
            List.of("scalar"),
            List.of(),
            List.of(5),
            List.of(600),
            List.of(1),
            List.of(2),
            List.of(),
            List.of(),
            List.of(1),
            List.of(ComputeType.F32),
            List.of(CacheType.BF16),
            List.of(),
            List.of(Residency.COLD),
            64,
            library);
    Settings settings = new Settings(1, 0, 0, verify, false, 4 << 20, 8 << 20);
    return new Benchmark(settings, Progress.NONE, () -> false, _ -> {}).attention(grid);
  }

  @Test
  void theExampleIsCheckedAndTimedBesideOurs() throws Exception {
    Path library = build("example", Files.readString(EXAMPLE, StandardCharsets.UTF_8));
    List<Row> rows = run(library, false, Kind.MLA).rows();
    assertEquals(2, rows.size());
    assertEquals("scalar", rows.getFirst().axes().backend());
    assertEquals("library", rows.get(1).axes().backend());
    assertEquals(library.toString(), rows.get(1).axes().library());
    assertTrue(rows.get(1).verified());
  }

  @Test
  void aWrongLibraryIsNeverTimed() throws Exception {
    String source = Files.readString(EXAMPLE, StandardCharsets.UTF_8);
    String wrong = source.replace("sum = old * sum + weight;", "sum = old * sum + 1.01f * weight;");
    assertTrue(!wrong.equals(source));
    Path library = build("wrong", wrong);
    BenchException e = assertThrows(BenchException.class, () -> run(library, false, Kind.MLA));
    assertTrue(e.getMessage().contains("is wrong"), e.getMessage());
  }
}

package io.mla4j.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.bench.AttentionGrid.Phase;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
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
                  file.toString(),
                  "-o",
                  library.toString())
              .redirectErrorStream(true)
              .redirectOutput(log)
              .start();
    } catch (IOException e) {
      Assumptions.abort("there is no " + compiler);
      throw e;
    }
    assertEquals(
        0, process.waitFor(), () -> "the example does not compile, see the log of " + compiler);
    return library;
  }

  private final List<String> notes = new ArrayList<>();

  private List<Row> run(
      Path library, List<Phase> phases, List<Kind> kinds, List<CacheType> cacheTypes) {
    AttentionGrid grid = new AttentionGrid();
    grid.phases = phases;
    grid.kinds = kinds;
    grid.backends = List.of("scalar");
    grid.heads = List.of(5);
    grid.tokens = List.of(600);
    grid.sQ = List.of(2);
    grid.prefill = List.of(70);
    grid.computes = List.of(ComputeType.F32);
    grid.cacheTypes = cacheTypes;
    grid.library = library;
    Settings settings = new Settings(1, 0, 0, false, false, 4 << 20, 8 << 20);
    return new Benchmark(settings, Progress.NONE, () -> false, notes::add).attention(grid).rows();
  }

  private List<Row> decode(Path library) {
    return run(library, List.of(Phase.DECODE), List.of(Kind.MLA), List.of(CacheType.BF16));
  }

  @Test
  void theExampleIsCheckedAndTimedBesideOurs() throws Exception {
    Path library = build("example", Files.readString(EXAMPLE, StandardCharsets.UTF_8));
    List<Row> rows = decode(library);
    assertEquals(2, rows.size());
    assertEquals("scalar", rows.getFirst().text(Axis.BACKEND));
    assertEquals("library", rows.get(1).text(Axis.BACKEND));
    assertEquals(library.toString(), rows.get(1).text(Axis.LIBRARY));
    assertTrue(rows.get(1).verified());
  }

  @Test
  void whatItLacksOrDoesNotSupportIsLeftOut() throws Exception {
    Path library = build("example", Files.readString(EXAMPLE, StandardCharsets.UTF_8));
    List<Row> rows =
        run(
            library,
            List.of(Phase.values()),
            List.of(Kind.MLA, Kind.MHA),
            List.of(CacheType.F32, CacheType.BF16));
    assertEquals(8, rows.stream().filter(r -> r.text(Axis.LIBRARY) == null).count());
    List<Row> theirs = rows.stream().filter(r -> r.text(Axis.LIBRARY) != null).toList();
    assertEquals(
        List.of("attention mla bf16"),
        theirs.stream()
            .map(Row::axes)
            .map(
                a ->
                    a.text(Axis.BENCHMARK)
                        + " "
                        + a.text(Axis.KIND)
                        + " "
                        + a.text(Axis.CACHE_TYPE))
            .toList());
    assertEquals(7, notes.size(), notes::toString);
    for (String note : notes) {
      assertTrue(note.contains(library.toString()), note);
      assertTrue(
          note.matches(
              ".* is left out: the library('s kernels for generic have no function"
                  + " attend_decompressed| does not support it)"),
          note);
    }
  }

  @Test
  void aWrongLibraryIsNeverTimed() throws Exception {
    String source = Files.readString(EXAMPLE, StandardCharsets.UTF_8);
    String wrong = source.replace("sum = old * sum + weight;", "sum = old * sum + 1.01f * weight;");
    assertTrue(!wrong.equals(source));
    Path library = build("wrong", wrong);
    BenchException e = assertThrows(BenchException.class, () -> decode(library));
    assertTrue(e.getMessage().contains("is wrong"), e.getMessage());
  }
}

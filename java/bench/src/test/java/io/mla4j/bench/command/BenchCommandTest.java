package io.mla4j.bench.command;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.mla4j.Backends;
import io.mla4j.Mla4jException;
import io.mla4j.bench.Benchmark;
import io.mla4j.bench.CacheTable;
import io.mla4j.bench.Progress;
import io.mla4j.bench.Report;
import io.mla4j.bench.Settings;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code mla4j bench}: lists as options, where results go, and what is refused. */
class BenchCommandTest {
  private static final String[] TINY = {
    "bench", "attention", "--phase", "decode", "--heads", "8", "--tokens", "64,100", "--threads",
    "1", "--backend", "scalar,native", "--repetitions", "1", "--sample-ms", "0", "--memory", "4",
    "--quick"
  };

  @TempDir Path folder;

  private static String[] and(String[] first, String... more) {
    String[] all = Arrays.copyOf(first, first.length + more.length);
    System.arraycopy(more, 0, all, first.length, more.length);
    return all;
  }

  @Test
  void jsonOnStdoutIsOneObject() throws Exception {
    Command command = Command.run(and(TINY, "--json", "-", "--verify"));
    assertEquals(0, command.code(), command::err);
    JsonNode report = new ObjectMapper().readTree(command.out());
    assertEquals(4, report.get("rows").size());
    assertEquals("attention", report.get("rows").get(0).get("benchmark").asText());
    String jdk = report.get("machine").get("jdk").asText();
    assertTrue(jdk.contains(Integer.toString(Runtime.version().feature())), jdk);
  }

  @Test
  void tablesAndFilesComeTogether() throws Exception {
    Path json = folder.resolve("a.json");
    Path csv = folder.resolve("a.csv");
    Path markdown = folder.resolve("a.md");
    Command command =
        Command.run(
            and(
                TINY,
                "--json",
                json.toString(),
                "--csv",
                csv.toString(),
                "--markdown",
                markdown.toString()));
    assertEquals(0, command.code(), command::err);
    assertTrue(command.out().contains("GFLOP/s"), command.out());
    assertEquals(5, Files.readAllLines(csv).size());
    assertTrue(Files.readString(markdown).contains("### attention"));
    Command compared = Command.run("bench", "compare", json.toString(), json.toString());
    assertEquals(
        "0 rows changed, 4 did not, 0 may have, 0 are only in one of the files\n", compared.out());
  }

  @Test
  void aFileThatCannotBeWrittenIsRefusedBeforeAnythingIsMeasured() {
    String nowhere = folder + "/no/a.json";
    Command.run(and(TINY, "--json", nowhere)).refused(1, "--json " + nowhere, "no folder");
    Command.run(and(TINY, "--csv", folder.toString())).refused(1, "--csv " + folder, "a folder");
    Command.run(and(TINY, "--plot", "/dev/null")).refused(1, "--plot /dev/null");
  }

  @Test
  void tablesComeBeforeFiles() throws Exception {
    Outputs outputs = new Outputs(folder + "/no/a.json", null, null, null, CacheTable.Budget.USUAL);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    Report report = new Benchmark(Settings.quick(), Progress.NONE, () -> true, _ -> {}).soFar();
    assertThrows(
        Mla4jException.class, () -> outputs.write(report, new PrintStream(out, true, UTF_8)));
    assertTrue(out.toString(UTF_8).contains("processors"), out::toString);
  }

  @Test
  void memoryIsInItsRange() {
    for (String memory : new String[] {"0", "-5", "9223372036854775807"}) {
      Command.run("bench", "attention", "--memory", memory).refused(2, "--memory is " + memory);
    }
  }

  @Test
  void badUsageIsNamed() {
    Command heads = Command.run("bench", "attention", "--heads", "0");
    assertEquals(2, heads.code());
    assertTrue(heads.err().contains("--heads is 0"), heads.err());
    Command preset =
        Command.run("bench", "make-model", "--preset", "x", "--out", folder + "/model");
    assertEquals(2, preset.code());
    assertTrue(preset.err().contains("--preset: preset is x"), preset.err());
    Command file = Command.run("bench", "compare", folder + "/no.json", folder + "/no.json");
    assertEquals(1, file.code());
    assertTrue(file.err().contains("no.json"), file.err());
  }

  @Test
  void namesAndSizesThatAreUnknownAreBadUsage() {
    Command.run("bench", "attention", "--backend", "fast").refused(2, "--backend is fast");
    String device =
        Backends.names().stream().filter(Backends::hasOwnMemory).findFirst().orElseThrow();
    Command.run("bench", "linear", "--backend", device).refused(2, "--backend is " + device);
    Command.run("bench", "attention", "--isa", "avx3").refused(2, "--isa", "avx3", "avx512bf16");
    Command.run("bench", "attention", "--isa", "avx2", "--backend", "vector")
        .refused(2, "--isa is of the native backend");
    Command.run("bench", "linear", "--backend", "scalar", "--size", "5").refused(2, "--size", "5");
    Command.run("bench", "linear", "--backend", "scalar", "--expert-size", "5")
        .refused(2, "--expert-size", "5");
    Command.run("bench", "model", "--preset", "x").refused(2, "--preset", "x");
    Command.run("bench", "attention", "--layers", "0").refused(2, "--layers is 0");
  }

  @Test
  void everyAxisOfAModelTakesAList() throws Exception {
    Command command =
        Command.run(
            "bench",
            "model",
            "--model",
            System.getProperty("mla4j.root") + "/models/tiny-mla",
            "--backend",
            "native",
            "--threads",
            "1",
            "--prompt",
            "3,4",
            "--generate",
            "1,2",
            "--context",
            "0,5,5",
            "--form",
            "auto,absorbed",
            "--page",
            "16,32",
            "--repetitions",
            "1",
            "--sample-ms",
            "0",
            "--quick",
            "--json",
            "-");
    JsonNode rows = new ObjectMapper().readTree(command.fine().out()).get("rows");
    // Two forms and two pages; two prompts, and two contexts of two lengths.
    assertEquals(2 * 2 * (2 + 2 * 2), rows.size());
    Set<String> different = new HashSet<>();
    rows.forEach(row -> different.add(row.toString().replaceAll("\"flop.*", "")));
    assertEquals(rows.size(), different.size());
  }

  @Test
  void anEngineNeedsAModelAndClients() {
    Command.run("bench", "engine").refused(2, "--model");
    Command.run("bench", "engine", "--model", "x", "--clients", "0").refused(2, "--clients is 0");
    Command.run("bench", "engine", "--model", "x", "--turns", "1").refused(2, "--turns is 1");
  }

  @Test
  void helpNamesTheMeasurements() {
    String help = Command.run("bench", "--help").out();
    for (String name :
        new String[] {
          "peak",
          "attention",
          "linear",
          "model",
          "make-model",
          "startup",
          "engine",
          "serve",
          "compare",
          "plot-peers",
          "--plot"
        }) {
      assertTrue(help.contains(name), help);
    }
    assertTrue(Command.run("--help").out().contains("bench"));
  }
}

package io.mla4j.probe;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.checkpoint.GoldenCheckpointsTest;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code io.mla4j.model} as a named module: families, tokenizer and backends are found there. */
class ModulePathTest {
  @TempDir private Path folder;

  @Test
  void aTextFromTheModulePath() throws Exception {
    Files.writeString(folder.resolve("config.json"), "{\"model_type\": \"gemma\"}");
    Files.writeString(folder.resolve("model.safetensors"), "\2\0\0\0\0\0\0\0{}"); // no tensors
    List<String> entries =
        Arrays.asList(System.getProperty("java.class.path").split(File.pathSeparator));
    String modules =
        entries.stream()
            .filter(entry -> !isOfTests(entry))
            .filter(entry -> entry.matches(".*(mla4j|classes|jackson|djl|gson|slf4j).*"))
            .collect(Collectors.joining(File.pathSeparator));
    File out = folder.resolve("out.txt").toFile();
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED,io.mla4j.ffi,ai.djl.tokenizers",
                "--module-path",
                modules,
                "--add-modules",
                "io.mla4j.model,io.mla4j.ffi",
                "-cp",
                entries.stream()
                    .filter(ModulePathTest::isOfTests)
                    .collect(Collectors.joining(File.pathSeparator)),
                ModuleProbe.class.getName(),
                GoldenCheckpointsTest.TINY_MLA.toString(),
                folder.toString())
            .redirectError(folder.resolve("err.txt").toFile())
            .redirectOutput(out)
            .start();
    try {
      assertTrue(process.waitFor(60, TimeUnit.SECONDS), "does not end");
    } finally {
      process.destroyForcibly();
    }
    String told = Files.readString(out.toPath());
    String start = "module io.mla4j.model\n4\n supported are ";
    assertTrue(
        told.startsWith(start) && told.contains("deepseek_v3"),
        told + Files.readString(folder.resolve("err.txt")));
  }

  /** Tests of this module or of another one, in a folder or in a jar. */
  private static boolean isOfTests(String entry) {
    return entry.contains("test-classes") || entry.endsWith("-tests.jar");
  }
}

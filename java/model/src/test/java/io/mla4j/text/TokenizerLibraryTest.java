package io.mla4j.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The tokenizer's native library in processes that find it damaged, twice, or without a folder. */
class TokenizerLibraryTest {
  private static final Path MODEL = Path.of(System.getProperty("mla4j.root"), "models", "tiny-mla");

  @TempDir Path folder;
  private Path cache;
  private Path temporary;

  @BeforeEach
  void folders() throws IOException {
    cache = folder.resolve("cache");
    temporary = Files.createDirectory(folder.resolve("tmp"));
  }

  /** Opens the carried tokenizer and prints what {@code In} is. */
  public static final class Probe {
    private Probe() {}

    public static void main(String[] args) {
      System.out.println(run(args[0]));
    }

    public static String run(String model) {
      try (Tokenizer tokenizer = Tokenizer.open(Path.of(model))) {
        return tokenizer.decode(tokenizer.encode("In the beginning", false), false);
      } catch (RuntimeException e) {
        return e.getMessage();
      }
    }
  }

  private String runWith(String... options) throws Exception {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("--enable-native-access=ALL-UNNAMED", "-Xmx256m"));
    command.add("-Djava.io.tmpdir=" + temporary);
    command.addAll(List.of(options));
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), Probe.class.getName()));
    command.add(MODEL.toString());
    ProcessBuilder builder =
        new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD);
    builder.environment().keySet().removeAll(List.of("XDG_CACHE_HOME", "MLA4J_CACHE"));
    builder.directory(folder.toFile());
    Process process = builder.start();
    String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), out);
    return out.strip();
  }

  private static List<Path> files(Path folder) throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      return files.filter(Files::isRegularFile).toList();
    }
  }

  @Test
  void aFileThatWasCutShortIsMended() throws Exception {
    String given = "-Dmla4j.cache=" + cache;
    assertEquals("In the beginning", runWith(given));
    Path file = files(cache).getFirst();
    byte[] whole = Files.readAllBytes(file);
    byte[] zerosAtItsEnd = Arrays.copyOf(Arrays.copyOf(whole, 1 << 20), whole.length);
    for (byte[] damaged :
        List.of(new byte[0], Arrays.copyOf(whole, whole.length / 2), zerosAtItsEnd)) {
      Files.write(file, damaged);
      assertEquals("In the beginning", runWith(given));
      assertEquals(List.of(file), files(cache));
      assertEquals(-1, Arrays.mismatch(whole, Files.readAllBytes(file)));
    }
  }

  @Test
  void withoutAHomeNothingIsLeft() throws Exception {
    assertEquals("In the beginning", runWith("-Duser.home=?"));
    assertEquals("In the beginning", runWith("-Duser.home=" + folder.resolve("none")));
    assertEquals(List.of(), files(folder));
    try (Stream<Path> entries = Files.list(folder)) {
      assertEquals(List.of(temporary), entries.toList());
    }
  }

  @Test
  void aFolderThatCannotBeUsedIsNamed() throws Exception {
    Path blocked = Files.createFile(folder.resolve("blocked"));
    String told = runWith("-Dmla4j.cache=" + blocked);
    assertTrue(told.contains(blocked + "/mla4j is no folder"), told);
    assertTrue(told.contains("MLA4J_CACHE"), told);
    assertTrue(!told.contains("tokenizer.json"), told);
  }

  /** Two applications of one server, and one that is deployed again. */
  @Test
  void everyClassLoaderHasATokenizer() throws Exception {
    for (int i = 0; i < 3; i++) {
      try (URLClassLoader loader =
          new URLClassLoader(classPath(), ClassLoader.getPlatformClassLoader())) {
        Object text =
            loader
                .loadClass(Probe.class.getName())
                .getMethod("run", String.class)
                .invoke(null, MODEL.toString());
        assertEquals("In the beginning", text);
      }
    }
    assertEquals("In the beginning", Probe.run(MODEL.toString()));
  }

  private static URL[] classPath() throws MalformedURLException {
    List<URL> urls = new ArrayList<>();
    for (String entry : System.getProperty("java.class.path").split(File.pathSeparator)) {
      urls.add(Path.of(entry).toUri().toURL());
    }
    return urls.toArray(URL[]::new);
  }
}

package io.mla4j.natives;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What GraalVM's native-image has to be told about each library module: the signatures of native
 * functions that it links and the resources that it reads. The compiled classes link them, with a
 * {@link LinkRecorder} in place of the linker. {@code -Dmla4j.metadata.write=true} writes the files
 * that are compared otherwise.
 */
class ReachabilityTest {
  private static final Path ROOT = Path.of(System.getProperty("mla4j.root"));
  private static final String MEMORY = "io.mla4j.cpu.SystemMemory";

  /** They link signatures of the generated bindings and of {@code SystemMemory}, and no others. */
  private static final Set<String> RELAYS =
      Set.of(
          "io.mla4j.cuda.CudaCalls",
          "io.mla4j.ffi.NativeMemory",
          "io.mla4j.ffi.NativeMemory$Access");

  @ParameterizedTest
  @ValueSource(strings = {"core", "ffi", "cuda", "vector", "model", "server"})
  void isCurrent(String module) throws Exception {
    Path file =
        resources(module)
            .resolve(
                "META-INF/native-image/io.mla4j/mla4j-%s/reachability-metadata.json"
                    .formatted(module));
    String text = text(record(linking(module)).signatures(), globs(module));
    if (Boolean.getBoolean("mla4j.metadata.write")) {
      Files.createDirectories(file.getParent());
      Files.writeString(file, text);
    }
    assertEquals(text, Files.readString(file), "write it: -Dmla4j.metadata.write=true");
  }

  /** What a class links that is not among those recorded would be missing in an image. */
  @Test
  void everyClassThatLinksIsRecorded() throws Exception {
    Set<String> linking = new TreeSet<>();
    for (String module :
        List.of("core", "ffi", "device", "cuda", "vector", "model", "engine", "server")) {
      linking.addAll(linking(module));
    }
    Set<String> recorded = record(linking).callers();
    linking.removeAll(recorded);
    linking.removeAll(RELAYS);
    assertEquals(Set.of(), linking);
  }

  /** Of a module, the classes that ask the linker for functions. */
  private static Set<String> linking(String module) throws IOException {
    Path classes = ROOT.resolve("java").resolve(module).resolve("target/classes");
    Set<String> found = new TreeSet<>();
    if (Files.isDirectory(classes)) {
      for (Path file : files(classes)) {
        String name = file.toString();
        if (name.endsWith(".class")
            && LinkRecorder.links(Files.readAllBytes(classes.resolve(file)))) {
          found.add(name.substring(0, name.length() - 6).replace('/', '.'));
        }
      }
    }
    return found;
  }

  /** Initialises these classes and those around them, which links their functions. */
  private static LinkRecorder record(Set<String> linking) throws ReflectiveOperationException {
    LinkRecorder recorder = new LinkRecorder(ReachabilityTest.class.getClassLoader());
    for (String name : linking) {
      String outermost = name.contains("$") ? name.substring(0, name.indexOf('$')) : name;
      initialize(Class.forName(outermost, true, recorder), recorder);
      if (outermost.equals(MEMORY)) {
        adviseMemory(recorder);
      }
    }
    return recorder;
  }

  private static void initialize(Class<?> type, ClassLoader loader)
      throws ReflectiveOperationException {
    for (Class<?> nested : type.getDeclaredClasses()) {
      initialize(Class.forName(nested.getName(), true, loader), loader);
    }
  }

  /** These functions are linked when memory is first advised about. */
  private static void adviseMemory(ClassLoader loader) throws ReflectiveOperationException {
    Class<?> memory = Class.forName(MEMORY, true, loader);
    for (String linking : List.of("madvise", "page")) {
      Method method = memory.getDeclaredMethod(linking);
      method.setAccessible(true);
      method.invoke(memory.getMethod("ifPermitted").invoke(null));
    }
  }

  private static Path resources(String module) {
    return ROOT.resolve("java").resolve(module).resolve("src/main/resources");
  }

  /** The folders of its resources; services are found without being told of. */
  private static Set<String> globs(String module) throws IOException {
    Set<String> globs =
        files(resources(module)).stream()
            .map(file -> file.getParent() + "/*")
            .filter(glob -> !glob.matches("META-INF/(services|native-image)/.*"))
            .collect(Collectors.toCollection(TreeSet::new));
    if (module.equals("ffi")) {
      globs.add("META-INF/native/**"); // laid there by the build
    }
    return globs;
  }

  private static List<Path> files(Path folder) throws IOException {
    try (Stream<Path> all = Files.walk(folder)) {
      return all.filter(Files::isRegularFile).map(folder::relativize).sorted().toList();
    }
  }

  private static String text(Set<String> signatures, Set<String> globs) {
    String foreign =
        """
          "foreign": {
            "downcalls": [
        %s
            ]
          }\
        """;
    String resources =
        """
          "resources": [
        %s
          ]\
        """;
    return Stream.of(
            signatures.isEmpty() ? "" : foreign.formatted(lines("      ", signatures)),
            globs.isEmpty()
                ? ""
                : resources.formatted(
                    lines("    ", globs.stream().map("{\"glob\": \"%s\"}"::formatted).toList())))
        .filter(part -> !part.isEmpty())
        .collect(Collectors.joining(",\n", "{\n", "\n}\n"));
  }

  private static String lines(String indentation, Iterable<String> lines) {
    return indentation + String.join(",\n" + indentation, lines);
  }
}

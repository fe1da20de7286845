package io.mla4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.module.ModuleDescriptor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * Given the library modules, which the bill of materials lists, then each is a module of Java that
 * says so itself, each of its packages is its own, and a package with public classes is either
 * exported or known here.
 */
class LibraryModulesTest {
  private static final Path JAVA = Path.of(System.getProperty("mla4j.root")).resolve("java");
  private static final List<String> INTERNAL =
      List.of("io.mla4j.guard", "io.mla4j.text.speculation", "io.mla4j.text.vocabulary");

  @Test
  void eachHasADescriptorAndPackagesOfItsOwn() throws IOException {
    Map<String, String> owners = new TreeMap<>();
    List<String> hidden = new ArrayList<>();
    for (String module : modules()) {
      Path classes = JAVA.resolve(module).resolve("target/classes");
      ModuleDescriptor descriptor;
      try (var in = Files.newInputStream(classes.resolve("module-info.class"))) {
        descriptor = ModuleDescriptor.read(in);
      }
      assertEquals("io.mla4j." + module, descriptor.name());
      for (String name : packages(classes)) {
        String other = owners.put(name, module);
        assertEquals(null, other, name + " is a package of " + module + " too");
        if (descriptor.exports().stream()
            .noneMatch(export -> export.source().equals(name) && !export.isQualified())) {
          hidden.add(name);
        }
      }
    }
    assertEquals(INTERNAL, hidden.stream().sorted().toList());
    assertTrue(owners.size() > 15, owners.toString());
  }

  private static List<String> modules() throws IOException {
    Matcher matcher =
        Pattern.compile("<artifactId>mla4j-([a-z0-9]+)</artifactId>")
            .matcher(Files.readString(JAVA.resolve("bom/pom.xml")));
    return matcher
        .results()
        .map(result -> result.group(1))
        .filter(name -> !name.equals("bom"))
        .distinct()
        .toList();
  }

  private static List<String> packages(Path classes) throws IOException {
    try (Stream<Path> all = Files.walk(classes)) {
      return all.filter(file -> file.toString().matches(".*(?<!module-info|package-info)\\.class"))
          .map(file -> classes.relativize(file.getParent()).toString().replace('/', '.'))
          .distinct()
          .toList();
    }
  }
}

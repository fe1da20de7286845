package io.mla4j;

import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.Dependency;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaCodeUnit;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * Given the classes of all modules, when one uses another, then the arrow points the way that
 * docs/architecture.md shows. Stands in the module that sees all the others.
 */
class ArchitectureTest {
  /** What each module may use besides itself. */
  private static final Map<String, Set<String>> MODULES =
      Map.ofEntries(
          Map.entry("core", Set.of()),
          Map.entry("testkit", Set.of("core")),
          Map.entry("vector", Set.of("core")),
          Map.entry("ffi", Set.of("core")),
          Map.entry("device", Set.of("core")),
          Map.entry("cuda", Set.of("core", "device", "ffi")),
          Map.entry("model", Set.of("core")),
          Map.entry("djl", Set.of("core")),
          Map.entry("engine", Set.of("core", "model")),
          Map.entry("langchain4j", Set.of("core", "model", "engine")),
          Map.entry("spark", Set.of("core", "model", "engine")),
          Map.entry("server", Set.of("core", "model", "engine")),
          Map.entry("cli", Set.of("core", "model", "engine", "server")),
          Map.entry("lab", Set.of("core", "model", "cli")),
          Map.entry(
              "bench",
              Set.of("core", "device", "ffi", "model", "engine", "cli", "lab", "testkit")));

  /** Backends, and what tests or measures them. */
  private static final Set<String> SEES_SPI =
      Set.of("core", "vector", "ffi", "device", "cuda", "testkit", "bench");

  /** {@code .../java/ffi/target/classes/...} or {@code .../mla4j-ffi-0.1.0.jar!/...}. */
  private static final Pattern MODULE =
      Pattern.compile("/java/(\\w+)/target/classes/|/mla4j-(\\w+)-[^/]*[.]jar");

  private static final int MOST_LINES = 500;
  private static final int MOST_PARAMETERS = 8;

  private static final JavaClasses CLASSES =
      new ClassFileImporter()
          .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
          .withImportOption(location -> MODULE.matcher(location.toString()).find())
          .importPackages("io.mla4j");

  private static String module(JavaClass one) {
    Matcher found = MODULE.matcher(one.getSource().orElseThrow().getUri().toString());
    found.find();
    return found.group(1) == null ? found.group(2) : found.group(1);
  }

  private static boolean isOurs(JavaClass one) {
    return CLASSES.contain(one.getBaseComponentType().getName());
  }

  @Test
  void modulesUseOnlyWhatTheyMay() {
    Set<String> wrong = new TreeSet<>();
    for (JavaClass one : CLASSES) {
      for (Dependency arrow : one.getDirectDependenciesFromSelf()) {
        JavaClass target = arrow.getTargetClass().getBaseComponentType();
        if (isOurs(target)) {
          String from = module(one);
          String to = module(CLASSES.get(target.getName()));
          if (!from.equals(to) && !MODULES.get(from).contains(to)) {
            wrong.add(from + " uses " + to + ": " + arrow.getDescription());
          }
        }
      }
    }
    assertEquals(Set.of(), wrong);
  }

  @Test
  void usersNeverSeeWhatBackendsImplement() {
    noClasses()
        .that(
            DescribedPredicate.describe(
                "are of no backend", one -> !SEES_SPI.contains(module(one))))
        .should()
        .dependOnClassesThat(resideInAnyPackage("io.mla4j.spi", "io.mla4j.cpu"))
        .check(CLASSES);
    forbid("io.mla4j.bench.command", "io.mla4j.spi", "io.mla4j.cpu");
  }

  @Test
  void packagesOfAModulePointOneWay() {
    forbid("io.mla4j.ops", "io.mla4j.cpu");
    forbid("io.mla4j.position", "io.mla4j.spi", "io.mla4j.cpu");
    forbid("io.mla4j.spi", "io.mla4j.cpu");
    forbid("io.mla4j.extract", "io.mla4j.ops", "io.mla4j.spi", "io.mla4j.cpu");
    forbid("io.mla4j.checkpoint", "io.mla4j.model", "io.mla4j.text");
    forbid("io.mla4j.model", "io.mla4j.text");
    forbid("io.mla4j.engine", "io.mla4j.engine.chat", "io.mla4j.engine.json");
    forbid("io.mla4j.engine.json", "io.mla4j.engine.chat");
    forbid("io.mla4j.lab", "io.mla4j.lab.command", "io.mla4j.cli");
    forbid("io.mla4j.bench", "io.mla4j.bench.command", "io.mla4j.cli");
    forbid("io.mla4j.ffi.abi", "io.mla4j.ffi");
  }

  /** What users see opens backends, so the packages of core know each other. */
  @Test
  void noPackagesUseEachOtherInACircle() {
    List<String> core = List.of("io.mla4j", "io.mla4j.ops", "io.mla4j.spi", "io.mla4j.cpu");
    slices()
        .matching("io.mla4j.(**)")
        .should()
        .beFreeOfCycles()
        .ignoreDependency(
            DescribedPredicate.describe("core", one -> core.contains(one.getPackageName())),
            DescribedPredicate.describe("core", one -> core.contains(one.getPackageName())))
        .check(CLASSES);
  }

  /** Generated ones are as long as what they are generated from. */
  @Test
  void classesAreReadInOneSitting() throws IOException {
    Path modules = Path.of(System.getProperty("mla4j.root"), "java");
    Set<String> wrong = new TreeSet<>();
    try (Stream<Path> files = Files.walk(modules)) {
      for (Path file : files.filter(ArchitectureTest::isHandWritten).toList()) {
        try (Stream<String> lines = Files.lines(file)) {
          long count = lines.count();
          if (count > MOST_LINES) {
            wrong.add(modules.relativize(file) + " has " + count + " lines");
          }
        }
      }
    }
    assertEquals(Set.of(), wrong);
  }

  private static boolean isHandWritten(Path file) {
    String name = file.toString();
    return name.endsWith(".java")
        && name.contains("/src/main/java/")
        && !name.contains("/target/")
        && !name.contains("/ffi/abi/");
  }

  /**
   * A device with memory of its own is a module and nothing else. Kernels of the host's processors
   * may be named: scalar ones are part of core, and native ones measure what a processor reaches.
   */
  @Test
  void noOtherModuleNamesADevice() throws IOException {
    Path modules = Path.of(System.getProperty("mla4j.root"), "java");
    List<String> devices = Backends.names().stream().filter(Backends::hasOwnMemory).toList();
    assertFalse(devices.isEmpty());
    Set<String> wrong = new TreeSet<>();
    for (String device : devices) {
      Pattern name = Pattern.compile(device, Pattern.CASE_INSENSITIVE);
      try (Stream<Path> files = Files.walk(modules)) {
        for (Path file : files.filter(ArchitectureTest::isHandWritten).toList()) {
          Path inside = modules.relativize(file);
          if (!inside.startsWith(device) && name.matcher(Files.readString(file)).find()) {
            wrong.add(inside + " names " + device);
          }
        }
      }
    }
    assertEquals(Set.of(), wrong);
  }

  /** Names that stand for nothing but places in a list are mistaken for one another. */
  @Test
  void methodsTakeFewParameters() {
    Set<String> wrong = new TreeSet<>();
    for (JavaClass one : CLASSES) {
      for (JavaCodeUnit unit : one.getCodeUnits()) {
        boolean isOwn =
            !unit.getModifiers().contains(JavaModifier.SYNTHETIC)
                && !(one.isRecord() && unit.isConstructor()) // its components have names
                && !one.getPackageName().equals("io.mla4j.ffi.abi")
                && !one.getSource().orElseThrow().getFileName().orElse("").equals("Tiles.java");
        // The compiler gives a constant of an enum its name and its place.
        int own =
            unit.getRawParameterTypes().size() - (one.isEnum() && unit.isConstructor() ? 2 : 0);
        if (isOwn && own > MOST_PARAMETERS) {
          wrong.add(unit.getFullName());
        }
      }
    }
    assertEquals(Set.of(), wrong);
  }

  private static void forbid(String from, String... to) {
    noClasses()
        .that()
        .resideInAPackage(from)
        .should()
        .dependOnClassesThat(resideInAnyPackage(to))
        .check(CLASSES);
  }
}

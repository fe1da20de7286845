package io.mla4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.cli.Main;
import io.mla4j.cli.Streams;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

/**
 * Given README.md, CONTRIBUTING.md and docs, then each block of Java is a passage between lines
 * {@code // begin} and {@code // end} of a test, which compiles it; each line for a shell begins
 * with a command that is known here, and what it is given exists: options of {@code mla4j}, scripts
 * and their options, modules and test classes of Maven; XML names artifacts of this version.
 */
class DocumentsTest {
  private static final Path ROOT = Path.of(System.getProperty("mla4j.root"));
  private static final Pattern BLOCK = Pattern.compile("(?ms)^```(\\w*)\\n(.*?)^```$");
  private static final Pattern INLINE = Pattern.compile("`((?:scripts/|\\./mvnw |mvn )[^`]*)`");

  /** A command whose output is an argument. */
  private static final Pattern INNER = Pattern.compile("\\$\\((.*)\\)");

  /** Languages whose blocks something else shows or that say nothing to a machine. */
  private static final Set<String> OTHERS = Set.of("python", "properties");

  private record Block(Path document, String language, String text) {}

  @Test
  void javaIsCompiledByATest() throws IOException {
    Set<String> passages = new TreeSet<>();
    try (Stream<Path> sources = Files.walk(ROOT.resolve("java"))) {
      for (Path source :
          sources.filter(file -> file.toString().matches(".*/src/test/java/.*\\.java")).toList()) {
        passages.addAll(passages(Files.readString(source)));
      }
    }
    int count = 0;
    for (Block block : blocks()) {
      if (block.language().equals("java")) {
        String text = stripped(block.text());
        // README's first program leaves its method with the last brace.
        boolean shown = passages.contains(text) || passages.contains(text.replaceAll("\\n}$", ""));
        assertTrue(shown, () -> block.document() + ": no test has\n" + block.text());
        count++;
      }
    }
    assertTrue(count >= 14, count + " blocks of Java");
  }

  @Test
  void linesForAShellCanBeTyped() throws IOException {
    int count = 0;
    for (Block block : blocks()) {
      if (block.language().isEmpty() || block.language().equals("sh")) {
        for (String line : lines(block.text())) {
          if (isCommand(line)) {
            check(block.document(), line);
            count++;
          } else {
            assertEquals("", block.language(), block.document() + ": " + line);
          }
        }
      }
    }
    assertTrue(count > 60, count + " commands");
  }

  /** Within sentences and tables, where placeholders stand for values. */
  @Test
  void scriptsAndModulesThatAreNamedExist() throws IOException {
    int count = 0;
    for (Path document : documents()) {
      for (MatchResult found : INLINE.matcher(Files.readString(document)).results().toList()) {
        List<String> words = words(found.group(1));
        if (words.getFirst().startsWith("scripts/")) {
          assertTrue(Files.exists(ROOT.resolve(words.getFirst())), document + ": " + found.group());
        } else {
          checkMaven(document, words);
        }
        count++;
      }
    }
    assertTrue(count > 60, count + " commands");
  }

  @Test
  void dependenciesAreOfThisVersion() throws IOException {
    String version = element(Files.readString(ROOT.resolve("pom.xml")), "version");
    String released = Files.readString(ROOT.resolve("java/bom/pom.xml"));
    for (Block block : blocks()) {
      if (block.language().equals("xml")) {
        for (String dependency : block.text().split("(?=<dependency>)")) {
          assertEquals(version, element(dependency, "version"), block.document().toString());
          String artifact = element(dependency, "artifactId");
          assertTrue(released.contains("<artifactId>" + artifact + "</artifactId>"), artifact);
        }
      } else if (!Set.of("", "java", "sh").contains(block.language())) {
        assertTrue(OTHERS.contains(block.language()), block.document() + ": " + block.language());
      }
    }
  }

  @Test
  void everyErrorHasACauseAndACure() throws IOException {
    String listed = Files.readString(ROOT.resolve("docs/troubleshooting.md"));
    Pattern declared =
        Pattern.compile("(?m)^public (?:final )?class (\\w+Exception) extends \\w+Exception");
    Set<String> missing = new TreeSet<>();
    for (String module : List.of("core", "ffi", "device", "cuda", "model", "engine", "server")) {
      try (Stream<Path> sources = Files.walk(ROOT.resolve("java/" + module + "/src/main/java"))) {
        for (Path source : sources.filter(file -> file.toString().endsWith(".java")).toList()) {
          declared
              .matcher(Files.readString(source))
              .results()
              .map(found -> found.group(1))
              .filter(name -> !listed.contains("`" + name + "`"))
              .forEach(missing::add);
        }
      }
    }
    assertEquals(Set.of(), missing);
  }

  private static void check(Path document, String line) throws IOException {
    Matcher inner = INNER.matcher(line);
    String outer = inner.replaceAll("OUTPUT");
    if (inner.reset().find()) {
      check(document, inner.group(1));
    }
    for (String command : outer.split(" (?:\\||&&) ")) {
      List<String> words = new ArrayList<>(words(command));
      while (words.getFirst().matches("[A-Z0-9_]+=.*")) {
        words.removeFirst();
      }
      if (words.getLast().equals("&")) {
        words.removeLast();
      }
      String name = words.getFirst();
      switch (name) {
        case "scripts/mla4j" -> checkOptions(document, line, words.subList(1, words.size()));
        case "mvn", "./mvnw" -> checkMaven(document, words);
        case "g++", "curl", "python3" ->
            words.stream()
                .filter(word -> word.startsWith("native/"))
                .forEach(file -> assertTrue(Files.exists(ROOT.resolve(file)), line));
        default -> checkScript(document, line, name, words);
      }
    }
  }

  private static void checkScript(Path document, String line, String name, List<String> words)
      throws IOException {
    Path script = ROOT.resolve(name);
    assertTrue(Files.isExecutable(script), document + ": " + line);
    String text = Files.readString(script);
    try (Stream<Path> packages = Files.list(ROOT.resolve("scripts/peers"))) {
      if (name.equals("scripts/bench-peers")) {
        for (Path file : packages.filter(file -> file.toString().endsWith(".py")).toList()) {
          text += Files.readString(file);
        }
      }
    }
    for (String word : words) {
      if (word.startsWith("--")) {
        assertTrue(text.contains(word), document + ": " + word + " in " + line);
      }
    }
  }

  /** Reads the arguments without running the command. */
  private static void checkOptions(Path document, String line, List<String> arguments) {
    String[] given = arguments.toArray(String[]::new);
    PrintStream nowhere = new PrintStream(OutputStream.nullOutputStream());
    CommandLine parser =
        Main.parser(new Streams(InputStream.nullInputStream(), nowhere, nowhere, false), given);
    try {
      parser.parseArgs(given);
    } catch (CommandLine.ParameterException e) {
      throw new AssertionError(document + ": " + line + ": " + e.getMessage(), e);
    }
  }

  private static void checkMaven(Path document, List<String> words) throws IOException {
    for (int i = 0; i < words.size(); i++) {
      String word = words.get(i);
      if (words.get(Math.max(0, i - 1)).equals("-pl") && word.startsWith("java/")) {
        for (String module : word.split(",")) {
          boolean there = module.equals("java/MODULE") || Files.exists(ROOT.resolve(module));
          assertTrue(there, document + ": " + module);
        }
      } else if (word.startsWith("-Dtest=")) {
        for (String test : word.substring(7).split(",")) {
          assertTrue(tests().contains(test), document + ": " + test);
        }
      }
    }
  }

  private static Set<String> tests() throws IOException {
    try (Stream<Path> sources = Files.walk(ROOT.resolve("java"))) {
      return sources
          .map(Path::toString)
          .filter(file -> file.matches(".*/src/test/java/.*\\.java"))
          .map(file -> file.substring(file.lastIndexOf('/') + 1, file.length() - 5))
          .collect(Collectors.toSet());
    }
  }

  private static boolean isCommand(String line) {
    return line.matches(
            "([A-Z0-9_]+=\\S+ |\\S*=\"\\$.*|)(scripts/|\\./mvnw |mvn |g\\+\\+ |curl ).*")
        && !line.matches("scripts/  +.*"); // of the map of folders
  }

  /** Of a block for a shell, without comments; a backslash at the end goes on in the next line. */
  private static List<String> lines(String text) {
    return text.replace("\\\n", " ")
        .lines()
        .map(line -> line.replaceAll("\\s+#.*", "").strip())
        .toList();
  }

  /** What a shell would see; options in brackets are given. */
  private static List<String> words(String command) {
    Pattern word = Pattern.compile("(?:\"[^\"]*\"|'[^']*'|[^\\s\"'])+");
    return word.matcher(command.replaceAll("\\[(--\\S+)]", "$1"))
        .results()
        .map(found -> found.group().replaceAll("^([\"'])(.*)\\1$", "$2"))
        .toList();
  }

  private static String element(String xml, String name) {
    return xml.replaceAll("(?s).*?<%1$s>(.*?)</%1$s>.*".formatted(name), "$1");
  }

  private static String stripped(String code) {
    return code.lines().map(String::strip).collect(Collectors.joining("\n")).strip();
  }

  private static List<String> passages(String source) {
    List<String> found = new ArrayList<>();
    for (MatchResult passage :
        Pattern.compile("(?ms)^ *// begin$(.*?)^ *// end$").matcher(source).results().toList()) {
      found.add(stripped(passage.group(1)));
    }
    return found;
  }

  private static List<Block> blocks() throws IOException {
    List<Block> blocks = new ArrayList<>();
    for (Path document : documents()) {
      BLOCK
          .matcher(Files.readString(document))
          .results()
          .forEach(found -> blocks.add(new Block(document, found.group(1), found.group(2))));
    }
    return blocks;
  }

  private static List<Path> documents() throws IOException {
    List<Path> documents =
        new ArrayList<>(List.of(ROOT.resolve("README.md"), ROOT.resolve("CONTRIBUTING.md")));
    try (Stream<Path> docs = Files.list(ROOT.resolve("docs"))) {
      docs.filter(file -> file.toString().endsWith(".md")).sorted().forEach(documents::add);
    }
    return documents;
  }
}

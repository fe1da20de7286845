package io.mla4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * {@code mla4j generate}: the expected texts, every way to give a prompt and to end, the figures.
 */
class GenerateCommandTest {
  private static final JsonNode GREEDY = TinyMla.expected().get("greedy");
  private static final String PROMPT = GREEDY.get("prompt").textValue();
  private static final String TEXT = GREEDY.get("text").textValue();

  @TempDir Path folder;

  static Stream<Arguments> backendsAndTypes() {
    return TinyMla.backends().stream()
        .flatMap(b -> Stream.of(Arguments.of(b, "f32"), Arguments.of(b, "bf16")));
  }

  private static Command greedy(String... arguments) {
    List<String> all = new ArrayList<>(List.of("--max-tokens", "24", "--temperature", "0"));
    all.addAll(List.of(arguments));
    return TinyMla.run("generate", all.toArray(String[]::new));
  }

  @ParameterizedTest
  @MethodSource("backendsAndTypes")
  void greedyTextIsExact(String backend, String compute) {
    Command run = greedy("--prompt", PROMPT, "--backend", backend, "--compute", compute).fine();
    assertEquals(TEXT + "\n", run.out());
    assertEquals(1, run.err().lines().count(), run.err());
    for (String part :
        List.of(
            "7 prompt tokens",
            "24 generated",
            "cache ",
            "backend " + backend,
            "isa ",
            "form auto",
            "compute " + compute,
            "cache " + compute,
            "threads")) {
      assertTrue(run.err().contains(part), part + " is missing in " + run.err());
    }
  }

  private static String[] and(String[] some, String... others) {
    return Stream.concat(Stream.of(some), Stream.of(others)).toArray(String[]::new);
  }

  @Test
  void aTextGoesOnFromAFile() throws Exception {
    String file = folder.resolve("cache").toString();
    String[] f32 = {"--temperature", "0", "--compute", "f32"};
    TinyMla.run(
            "generate", and(f32, "--prompt", PROMPT, "--max-tokens", "11", "--save-cache", file))
        .fine();
    String rest =
        TinyMla.run(
                "generate", and(f32, "--prompt", "", "--max-tokens", "13", "--load-cache", file))
            .fine()
            .out();
    assertTrue(TEXT.endsWith(rest.strip()) && rest.length() > 10, rest);
    greedy("--prompt", "", "--cache-type", "bf16", "--compute", "f32", "--load-cache", file)
        .refused(1, file, "group.0.cache_type", "'F32'", "'BF16'");
    greedy("--prompt", "", "--load-cache", file + ".none").refused(2, "--load-cache", ".none");
    greedy("--prompt", "x", "--chat", "--load-cache", file).refused(2, "--load-cache", "--chat");
    greedy("--prompt", "x", "--save-cache", folder.resolve("no/file").toString())
        .refused(1, "no/file", "there is no folder");
    byte[] bytes = Files.readAllBytes(Path.of(file));
    bytes[bytes.length - 5] ^= 1;
    Files.write(Path.of(file), bytes);
    greedy("--prompt", "", "--compute", "f32", "--load-cache", file)
        .refused(1, file, "checksum", "altered");
  }

  @Test
  void valuesAreTextWhateverTheyBeginWith() throws Exception {
    Path note = Files.writeString(folder.resolve("note.txt"), "In --json --threads 1");
    List<String> texts =
        List.of("@" + note, "@", "@@", "@@x", "-", "-x", "- a list", "# no", "\"a\"", "'", "$x");
    for (String text : texts) {
      String prompt = "a " + text;
      Path file = Files.writeString(folder.resolve("prompt.txt"), text);
      JsonNode json = TinyMla.json(greedy("--json", "--prompt-file", file.toString()).fine().out());
      if (!text.equals("-")) { // stdin
        assertEquals(json.get("ids"), ids(greedy("--json", "--prompt", text)), text);
        assertEquals(json.get("ids"), ids(greedy("--json", "--prompt=" + text)), text);
      }
      greedy("--prompt", prompt, "--stop", text).fine();
    }
    greedy("--prompt-file", "@" + note).refused(1, "@" + note, "does not exist");
    TinyMla.run("logits", "--ids", "@" + note).refused(2, "@" + note);
    Command.run("@" + note).refused(2, "@" + note);
  }

  /** The carried model in {@link #folder}. */
  private Path copyOfModel() throws IOException {
    Path copy = Files.createDirectory(folder.resolve("model"));
    for (String name :
        List.of(
            "config.json",
            "generation_config.json",
            "model.safetensors",
            "tokenizer.json",
            "tokenizer_config.json")) {
      Files.copy(TinyMla.FOLDER.resolve(name), copy.resolve(name));
    }
    return copy;
  }

  @Test
  void aByteOrderMarkIsSkipped() throws Exception {
    Path file = Files.writeString(folder.resolve("prompt.txt"), "\uFEFF" + PROMPT + "\n");
    assertEquals(TEXT + "\n", greedy("--prompt-file", file.toString()).fine().out());
    String[] stdin = {"--max-tokens", "24", "--temperature", "0", "--prompt", "-"};
    List<String> all = new ArrayList<>(List.of("generate", "--model", TinyMla.FOLDER.toString()));
    all.addAll(List.of(stdin));
    Command piped = Command.runWithInput("\uFEFF" + PROMPT, all.toArray(String[]::new));
    assertEquals(TEXT + "\n", piped.fine().out());

    Path model = copyOfModel();
    try (Stream<Path> files = Files.list(model)) {
      for (Path json : files.filter(f -> f.toString().endsWith(".json")).toList()) {
        Files.writeString(json, "\uFEFF" + Files.readString(json));
      }
    }
    all.set(2, model.toString());
    assertEquals(
        TEXT + "\n", Command.runWithInput(PROMPT, all.toArray(String[]::new)).fine().out());

    Files.writeString(file, PROMPT, StandardCharsets.UTF_16);
    greedy("--prompt-file", file.toString()).refused(1, file + ": is UTF-16, but must be UTF-8");
    Path tokenizer = model.resolve("tokenizer.json");
    Files.writeString(tokenizer, Files.readString(tokenizer), StandardCharsets.UTF_16);
    Command.run("generate", "--model", model.toString(), "--prompt", "x")
        .refused(1, tokenizer + ": is UTF-16, but must be UTF-8");
  }

  @Test
  void idsNeedNoTokenizer() throws Exception {
    JsonNode usual = TinyMla.json(greedy("--ids", "0,263", "--json").fine().out());
    Path model = copyOfModel();
    Files.delete(model.resolve("tokenizer.json"));
    Files.delete(model.resolve("tokenizer_config.json"));
    List<String> all = new ArrayList<>(List.of("generate", "--model", model.toString()));
    all.addAll(List.of("--max-tokens", "24", "--temperature", "0", "--ids", "0,263"));
    Command plain = Command.run(all.toArray(String[]::new)).fine();
    assertEquals(TinyMla.ids(usual.get("ids")) + "\n", plain.out());
    assertTrue(plain.err().startsWith("mla4j: there is no tokenizer.json, so ids"), plain.err());
    all.add("--json");
    JsonNode json = TinyMla.json(Command.run(all.toArray(String[]::new)).fine().out());
    assertEquals(usual.get("ids"), json.get("ids"));
    assertFalse(json.has("text"));
    all.addAll(List.of("--stop", "x"));
    Command.run(all.toArray(String[]::new)).refused(2, "--stop", "no tokenizer.json");
    Command.run("generate", "--model", model.toString(), "--prompt", "x")
        .refused(1, "tokenizer.json");
    Command.run("logits", "--model", model.toString(), "--ids", "0,263").fine();
  }

  private static JsonNode ids(Command run) {
    return TinyMla.json(run.fine().out()).get("ids");
  }

  @Test
  void otherContinuationsAreExact() {
    List<JsonNode> cases = new ArrayList<>();
    TinyMla.expected().get("more_greedy").forEach(cases::add);
    cases.add(TinyMla.expected().get("chat"));
    for (JsonNode expected : cases) {
      JsonNode json =
          TinyMla.json(
              TinyMla.run(
                      "generate",
                      "--ids",
                      TinyMla.ids(expected.get("prompt_ids")),
                      "--max-tokens",
                      Integer.toString(expected.get("ids").size()),
                      "--temperature",
                      "0",
                      "--compute",
                      "f32",
                      "--json")
                  .fine()
                  .out());
      assertEquals(expected.get("ids"), json.get("ids"));
    }
  }

  @Test
  void promptsFromEverywhere() throws Exception {
    Path file = Files.writeString(folder.resolve("prompt.txt"), PROMPT + "\r\n");
    assertEquals(TEXT + "\n", greedy("--prompt-file", file.toString()).fine().out());
    assertEquals(TEXT + "\n", greedy("--ids", TinyMla.ids(GREEDY.get("prompt_ids"))).fine().out());
    Command stdin =
        Command.runWithInput(
            PROMPT + "\n",
            "generate",
            "--model",
            TinyMla.FOLDER.toString(),
            "--prompt",
            "-",
            "--max-tokens",
            "24",
            "--temperature",
            "0");
    assertEquals(TEXT + "\n", stdin.fine().out());
  }

  @Test
  void jsonHasTextIdsAndFigures() {
    Command run = greedy("--prompt", PROMPT, "--json", "--threads", "1").fine();
    assertEquals(1, run.out().lines().count());
    assertEquals("", run.err());
    JsonNode json = TinyMla.json(run.out());
    assertEquals(TEXT, json.get("text").textValue());
    assertEquals(GREEDY.get("ids"), json.get("ids"));
    assertEquals("length", json.get("finishReason").textValue());
    assertEquals(7, json.get("promptTokens").intValue());
    assertEquals(24, json.get("generatedTokens").intValue());
    assertEquals(1, json.get("threads").intValue());
    assertEquals("auto", json.get("form").textValue());
    for (String figure :
        List.of("promptTokensPerSecond", "generatedTokensPerSecond", "cacheBytes")) {
      assertTrue(json.get(figure).doubleValue() > 0, figure);
    }
    for (String name : List.of("backend", "isa", "computeType", "cacheType")) {
      assertFalse(json.get(name).textValue().isEmpty(), name);
    }
  }

  /** The text ends with EOS, which the ids have and the text has not. */
  @Test
  void endsAtEos() {
    JsonNode expected = TinyMla.expected().get("more_greedy").get(0);
    JsonNode json =
        TinyMla.json(
            TinyMla.run(
                    "generate",
                    "--prompt",
                    expected.get("prompt").textValue(),
                    "--max-tokens",
                    "50",
                    "--temperature",
                    "0",
                    "--json")
                .fine()
                .out());
    assertEquals(expected.get("ids"), json.get("ids"));
    assertEquals("eos", json.get("finishReason").textValue());
    assertEquals(" for his mercy endureth for ever.", json.get("text").textValue());
  }

  @Test
  void endsBeforeAStopText() {
    Command run = greedy("--prompt", PROMPT, "--stop", "nowhere", "--stop", "of man").fine();
    assertEquals(" unto me, saying, Son \n", run.out());
    assertTrue(run.err().contains("ended by stop"), run.err());
  }

  @Test
  void sameSeedSameText() {
    String[] arguments = {"--prompt", PROMPT, "--temperature", "1", "--max-tokens", "30"};
    List<String> texts = new ArrayList<>();
    for (String seed : List.of("1", "1", "2")) {
      List<String> all = new ArrayList<>(List.of(arguments));
      all.addAll(List.of("--seed", seed, "--top-k", "50", "--top-p", "0.9", "--min-p", "0.01"));
      texts.add(TinyMla.run("generate", all.toArray(String[]::new)).fine().out());
    }
    assertEquals(texts.get(0), texts.get(1));
    assertNotEquals(texts.get(0), texts.get(2));
  }

  @Test
  void repetitionPenaltyCounts() {
    assertNotEquals(
        TEXT + "\n", greedy("--prompt", PROMPT, "--repetition-penalty", "5").fine().out());
  }

  /** A pipe that closes early ends the run, long before the tokens are generated. */
  @Test
  @Timeout(value = 60, unit = TimeUnit.SECONDS)
  void endsQuietlyWhereNobodyReads() {
    assertEquals("", errorsWithStdout("Broken pipe", "--max-tokens", "2000"));
    assertEquals("", errorsWithStdout("Broken pipe", "--json"));
  }

  @Test
  @Timeout(value = 60, unit = TimeUnit.SECONDS)
  void saysThatStdoutCannotBeWritten() {
    for (String option : new String[] {"--stacktrace", "--json", "--help"}) {
      assertEquals(
          "mla4j: stdout cannot be written: No space left on device\n",
          errorsWithStdout("No space left on device", "--max-tokens", "2000", option));
    }
  }

  /** What goes to stderr where stdout fails for this reason; the exit code is 1. */
  private static String errorsWithStdout(String reason, String... options) {
    ByteArrayOutputStream err = new ByteArrayOutputStream();
    OutputStream closed =
        new OutputStream() {
          @Override
          public void write(int b) throws IOException {
            throw new IOException(reason);
          }
        };
    List<String> all = new ArrayList<>(List.of("generate", "--model", TinyMla.FOLDER.toString()));
    all.addAll(List.of("--prompt", PROMPT));
    all.addAll(List.of(options));
    int code =
        Main.run(
            new Streams(
                InputStream.nullInputStream(),
                Results.to(closed),
                new PrintStream(err, true, StandardCharsets.UTF_8),
                false),
            all.toArray(String[]::new));
    assertEquals(1, code);
    return err.toString(StandardCharsets.UTF_8);
  }

  @Test
  void badArguments() {
    TinyMla.run("generate").refused(2, "--prompt", "--prompt-file", "--ids");
    TinyMla.run("generate", "--prompt", "a", "--ids", "1").refused(2, "mutually exclusive");
    String[][] wrong = {
      {"--max-tokens", "0"},
      {"--max-tokens", "many"},
      {"--temperature", "-1"},
      {"--temperature", "NaN"},
      {"--top-k", "-1"},
      {"--top-p", "0"},
      {"--top-p", "1.5"},
      {"--min-p", "2"},
      {"--repetition-penalty", "0"},
      {"--seed", "x"},
      {"--stop", ""},
      {"--cache-type", "int7"}
    };
    for (String[] option : wrong) {
      TinyMla.run("generate", "--prompt", "a", option[0], option[1]).refused(2);
    }
  }

  @Test
  void failures() {
    TinyMla.run("generate", "--ids", "0,9999").refused(1, "9999");
    String absent = folder.resolve("absent.txt").toString();
    TinyMla.run("generate", "--prompt-file", absent).refused(1, absent);
    Path golden = TinyMla.ROOT.resolve("java/model/src/test/resources/golden/youtu");
    Command.run("generate", "--model", golden.toString(), "--prompt", "a")
        .refused(1, "tokenizer.json");
    TinyMla.run("generate", "--prompt", "x ".repeat(5000)).refused(1, "context is 2048");
  }
}

package io.mla4j.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.mla4j.checkpoint.GoldenCheckpointsTest;
import io.mla4j.checkpoint.ModelFiles;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The carried model's tokenizer against what Hugging Face tokenizers does with it. */
class TokenizerTest {
  private static final Path MODEL = GoldenCheckpointsTest.TINY_MLA;

  private static Tokenizer tokenizer;
  private static JsonNode expected;

  @BeforeAll
  static void open() throws Exception {
    tokenizer = Tokenizer.open(MODEL);
    expected = ModelFiles.MAPPER.readTree(MODEL.resolve("expected.json").toFile());
  }

  @AfterAll
  static void close() {
    tokenizer.close();
  }

  private static int[] ids(JsonNode array) {
    return StreamSupport.stream(array.spliterator(), false).mapToInt(JsonNode::intValue).toArray();
  }

  @Test
  void samples() {
    assertEquals(10, expected.get("tokenizer").size());
    for (JsonNode sample : expected.get("tokenizer")) {
      String text = sample.get("text").textValue();
      int[] ids = ids(sample.get("ids"));
      assertArrayEquals(ids, tokenizer.encode(text, false), text);
      assertEquals(sample.get("decoded").textValue(), tokenizer.decode(ids, false));
      assertEquals(sample.get("decoded").textValue(), stream(ids, false));
    }
  }

  @Test
  void promptsStartWithBosOnce() {
    assertEquals(OptionalInt.of(0), tokenizer.bos());
    JsonNode greedy = expected.get("greedy");
    assertArrayEquals(
        ids(greedy.get("prompt_ids")), tokenizer.encode(greedy.get("prompt").textValue(), true));
    JsonNode chat = expected.get("chat");
    assertArrayEquals(
        ids(chat.get("prompt_ids")),
        tokenizer.encode(chat.get("prompt").textValue(), true),
        "the rendered template has its own BOS");
    assertArrayEquals(new int[] {0}, tokenizer.encode("", true));
  }

  @Test
  void continuationsDecode() {
    for (JsonNode example : expected.get("more_greedy")) {
      int[] ids = ids(example.get("ids"));
      String text = example.get("text").textValue();
      assertEquals(text, tokenizer.decode(ids, false));
      assertEquals(text, stream(ids, false));
      assertEquals(text.replace("<｜end▁of▁sentence｜>", ""), tokenizer.decode(ids, true));
      assertEquals(text.replace("<｜end▁of▁sentence｜>", ""), stream(ids, true));
    }
  }

  @Test
  void textOutsideOfTheTrainingDataSurvives() {
    for (String text :
        List.of(
            "😀", "a😀b", "日本語", "e\u0301", "nul \0 inside", "\t\n\r", "ﷺ", "👩‍👩‍👧", "\uFFFD")) {
      assertEquals(text, tokenizer.decode(tokenizer.encode(text, false), false));
      assertEquals(text, stream(tokenizer.encode(text, false), false));
    }
    assertEquals("a\uFFFDb", tokenizer.decode(tokenizer.encode("a\uD83Db", false), false));
  }

  @Test
  void pieceByPieceIsTheWholeAndNeverHalfACharacter() {
    Random random = new Random(7);
    for (int n = 0; n < 300; n++) {
      int[] ids = random.ints(1 + random.nextInt(30), 0, 4096).toArray();
      if (n % 2 == 0) {
        // byte tokens: many broken characters
        ids = random.ints(1 + random.nextInt(30), 100, 260).toArray();
      }
      for (boolean skip : new boolean[] {false, true}) {
        assertEquals(tokenizer.decode(ids, skip), stream(ids, skip));
      }
    }
    int[] smile = tokenizer.encode("😀", false);
    assertTrue(smile.length > 1);
    StreamingDecoder decoder = tokenizer.streamingDecoder(true);
    for (int i = 0; i < smile.length - 1; i++) {
      assertEquals("", decoder.next(smile[i]));
    }
    assertEquals("😀", decoder.next(smile[smile.length - 1]));
    decoder.next(smile[0]);
    assertEquals("\uFFFD", decoder.finish(), "what stays incomplete is shown in the end");
    assertEquals("😀", stream(smile, true), "and the decoder starts anew");
  }

  /** Special tokens and bytes that are no character neither gather nor hold back what follows. */
  @Test
  void whatGivesNoTextTakesNoTime() {
    int[] smile = tokenizer.encode("😀", false);
    int[] word = tokenizer.encode("word", false);
    String start = tokenizer.decode(new int[] {word[0]}, true);
    for (int[] pattern :
        new int[][] {{3}, {smile[0]}, {4095, 4096}, {smile[0], 3}, {3, smile[0], smile[0]}}) {
      StreamingDecoder decoder = tokenizer.streamingDecoder(true);
      long began = System.nanoTime();
      int[] ids = new int[20_000];
      StringBuilder text = new StringBuilder();
      for (int i = 0; i < ids.length; i++) {
        ids[i] = pattern[i % pattern.length];
        text.append(decoder.next(ids[i]));
      }
      assertTrue(System.nanoTime() - began < 10_000_000_000L, "linear");
      assertTrue(decoder.next(word[0]).endsWith(start), "what is valid comes out at once");
      assertEquals("", decoder.finish());
    }
    StreamingDecoder decoder = tokenizer.streamingDecoder(true);
    for (int id : new int[] {3, 3, smile[0], smile[0], smile[0], smile[0], smile[0], smile[0]}) {
      decoder.next(id);
    }
    assertTrue(decoder.next(word[0]).endsWith("\uFFFD" + start));
  }

  @Test
  void longRunsOfBytesAreTheWhole() {
    Random random = new Random(8);
    for (int n = 0; n < 100; n++) {
      int[] ids = random.ints(200, 100, 260).toArray();
      assertEquals(tokenizer.decode(ids, true), stream(ids, true));
    }
  }

  @Test
  void stopTextsAreFoundAcrossSpecialTokens() {
    StringBuilder passed = new StringBuilder();
    StopFilter filter = new StopFilter(List.of("<end>\n"), passed::append);
    assertFalse(filter.accept("a "));
    assertFalse(filter.acceptSpecial("<end>"));
    assertEquals("a ", passed.toString(), "the special token may be the start of a stop text");
    assertFalse(filter.accept("b"));
    assertEquals("a b", passed.toString(), "and is not shown where it was not");
    assertFalse(filter.acceptSpecial("<end>"));
    assertTrue(filter.accept("\n c"));
    assertEquals("a b", filter.given());
  }

  private static String stream(int[] ids, boolean skipSpecial) {
    StreamingDecoder decoder = tokenizer.streamingDecoder(skipSpecial);
    StringBuilder text = new StringBuilder();
    for (int id : ids) {
      text.append(decoder.next(id));
    }
    return text.append(decoder.finish()).toString();
  }

  @Test
  void bosAsTheConfigurationSays(@TempDir Path directory) throws Exception {
    Files.copy(MODEL.resolve("tokenizer.json"), directory.resolve("tokenizer.json"));
    assertEquals(OptionalInt.empty(), bos(directory, null));
    String token = "\"bos_token\": \"<｜begin▁of▁sentence｜>\"";
    assertEquals(OptionalInt.of(0), bos(directory, "{\"add_bos_token\": true, " + token + "}"));
    assertEquals(
        OptionalInt.of(0),
        bos(
            directory,
            "{\"add_bos_token\": true, \"bos_token\": {\"content\": \"<｜begin▁of▁sentence｜>\"}}"));
    assertEquals(OptionalInt.empty(), bos(directory, "{\"add_bos_token\": false, " + token + "}"));
    assertEquals(OptionalInt.empty(), bos(directory, "{" + token + "}"));
    assertEquals(
        OptionalInt.of(0),
        bos(directory, "{\"tokenizer_class\": \"LlamaTokenizerFast\", " + token + "}"));
  }

  /** Transformers replaces it where the class is Llama's, so that its ids are others. */
  @Test
  void theNormalizerOfTokenizerJsonCountsWhateverTheClass(@TempDir Path directory)
      throws Exception {
    ObjectMapper mapper = new ObjectMapper();
    ObjectNode json = (ObjectNode) mapper.readTree(MODEL.resolve("tokenizer.json").toFile());
    json.putObject("normalizer").put("type", "Lowercase");
    Files.writeString(directory.resolve("tokenizer.json"), json.toString());
    Files.writeString(
        directory.resolve("tokenizer_config.json"),
        "{\"tokenizer_class\": \"LlamaTokenizer\", \"add_bos_token\": false}");
    try (Tokenizer opened = Tokenizer.open(directory)) {
      assertArrayEquals(
          tokenizer.encode("the word of the lord", false),
          opened.encode("The Word of the LORD", false));
    }
  }

  private static OptionalInt bos(Path directory, String config) throws Exception {
    if (config != null) {
      Files.writeString(directory.resolve("tokenizer_config.json"), config);
    }
    try (Tokenizer opened = Tokenizer.open(directory)) {
      return opened.bos();
    }
  }

  /** In a process of its own, because its trap for sockets can be set only once. */
  @Test
  void longTextsAreNotCutAndNoSocketIsOpened(@TempDir Path home) throws Exception {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "-Xmx512m",
                "-Duser.home=" + home,
                "-cp",
                System.getProperty("java.class.path"),
                NoSocketProbe.class.getName(),
                MODEL.toString()));
    File out = home.resolve("out.txt").toFile();
    ProcessBuilder builder =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(out);
    builder.environment().remove("XDG_CACHE_HOME");
    Process process = builder.start();
    try {
      assertTrue(process.waitFor(60, TimeUnit.SECONDS), "does not end");
    } finally {
      process.destroyForcibly();
    }
    assertEquals("trap works: 1, sockets: 0, ids: 12000", Files.readString(out.toPath()).strip());
    try (var entries = Files.list(home)) {
      assertEquals(
          List.of(".cache", "out.txt"),
          entries.map(entry -> entry.getFileName().toString()).sorted().toList());
    }
    try (var entries = Files.list(home.resolve(".cache"))) {
      assertEquals(List.of("mla4j"), entries.map(entry -> entry.getFileName().toString()).toList());
    }
  }
}

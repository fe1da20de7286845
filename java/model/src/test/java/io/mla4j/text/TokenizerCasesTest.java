package io.mla4j.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.mla4j.checkpoint.CheckpointException;
import io.mla4j.checkpoint.GgufBytes;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Given a vocabulary in any form, when texts are encoded, then their ids are those of the reference
 * library: scripts/tokenizers/make_cases.py makes the cases.
 */
class TokenizerCasesTest {
  private static final ObjectMapper MAPPER = new ObjectMapper();

  /** Numbers of GGUF's types. */
  private static final int INT32 = 5;

  private static final int FLOAT32 = 6;

  private static final Path CARRIED =
      Path.of(System.getProperty("mla4j.root"), "java/model/src/test/resources/tokenizers");

  @TempDir Path temporary;

  static List<Path> cases() throws IOException {
    return cases(CARRIED);
  }

  private static List<Path> cases(Path root) throws IOException {
    try (Stream<Path> entries = Files.list(root)) {
      return entries.filter(Files::isDirectory).sorted().toList();
    }
  }

  private static Tokenizer open(Path folder, JsonNode one, Path temporary) {
    return Tokenizer.open(
        one.has("keys") ? gguf(one.get("keys"), temporary.resolve("case.gguf")) : folder);
  }

  /** A GGUF without tensors. */
  private static Path gguf(JsonNode keys, Path file) {
    GgufBytes gguf = new GgufBytes();
    for (Map.Entry<String, JsonNode> entry : keys.properties()) {
      String key = entry.getKey();
      JsonNode value = entry.getValue();
      if (value.isTextual()) {
        gguf.text(key, value.textValue());
      } else if (value.isInt()) {
        gguf.u32(key, value.intValue());
      } else if (value.get(0).isTextual()) {
        List<String> texts = new ArrayList<>();
        value.forEach(text -> texts.add(text.textValue()));
        gguf.texts(key, texts.toArray(String[]::new));
      } else {
        boolean whole = value.get(0).isInt();
        byte[][] numbers = new byte[value.size()][];
        for (int i = 0; i < numbers.length; i++) {
          JsonNode number = value.get(i);
          numbers[i] =
              whole ? GgufBytes.u32(number.intValue()) : GgufBytes.floats(number.floatValue());
        }
        gguf.array(key, whole ? INT32 : FLOAT32, numbers.length, numbers);
      }
    }
    return gguf.write(file);
  }

  private static int[] ids(JsonNode array) {
    return StreamSupport.stream(array.spliterator(), false).mapToInt(JsonNode::intValue).toArray();
  }

  @ParameterizedTest
  @MethodSource("cases")
  void idsAreTheReferences(Path folder) throws IOException {
    check(folder);
  }

  private void check(Path folder) throws IOException {
    JsonNode texts = MAPPER.readTree(folder.resolveSibling("texts.json").toFile());
    JsonNode one = MAPPER.readTree(folder.resolve("case.json").toFile());
    Set<Integer> skip = new HashSet<>();
    one.path("skip").forEach(index -> skip.add(index.intValue()));
    assertEquals(texts.size(), one.get("ids").size());
    try (Tokenizer tokenizer = open(folder, one, temporary)) {
      for (int i = 0; i < texts.size(); i++) {
        if (!skip.contains(i)) {
          String text = texts.get(i).textValue();
          int[] expected = ids(one.get("ids").get(i));
          assertArrayEquals(expected, tokenizer.encode(text, false), "'" + text + "'");
          boolean normalized = folder.endsWith("gguf-qwen2"); // NFC
          assertTrue(
              normalized || text.equals(tokenizer.decode(expected, false)),
              () -> "'" + text + "' decodes to '" + tokenizer.decode(expected, false) + "'");
        }
      }
    }
  }

  /** {@code scripts/check-tokenizers} fetches them. */
  @Test
  @EnabledIfSystemProperty(named = "mla4j.tokenizers", matches = ".+")
  void idsOfPublishedVocabularies() throws IOException {
    for (Path folder : cases(Path.of(System.getProperty("mla4j.tokenizers")))) {
      check(folder);
    }
  }

  private void refused(GgufBytes gguf, String... parts) {
    Path file = gguf.write(temporary.resolve("broken.gguf"));
    CheckpointException e = assertThrows(CheckpointException.class, () -> Tokenizer.open(file));
    assertTrue(e.getMessage().startsWith(file + ": "), e.getMessage());
    assertEquals(1, e.getMessage().lines().count());
    for (String part : parts) {
      assertTrue(e.getMessage().contains(part), e.getMessage());
    }
  }

  private static GgufBytes vocabulary(String model, String... tokens) {
    return new GgufBytes()
        .text("tokenizer.ggml.model", model)
        .texts("tokenizer.ggml.tokens", tokens);
  }

  @Test
  void brokenGgufVocabulariesAreOneLineThatNamesTheKey() {
    refused(new GgufBytes(), "tokenizer.ggml.model", "is missing");
    refused(new GgufBytes().u32("tokenizer.ggml.model", 1), "tokenizer.ggml.model");
    refused(vocabulary("bert", "a"), "tokenizer.ggml.model", "'bert'", "gpt2 or llama");
    refused(
        new GgufBytes().text("tokenizer.ggml.model", "gpt2"), "tokenizer.ggml.tokens", "missing");
    refused(vocabulary("gpt2"), "tokenizer.ggml.tokens", "empty");
    refused(vocabulary("gpt2", "a", "b", "a"), "tokenizer.ggml.tokens", "'a' twice");
    refused(vocabulary("gpt2", "a"), "tokenizer.ggml.merges", "missing");
    refused(
        vocabulary("gpt2", "a").text("tokenizer.ggml.pre", "nonsense"),
        "tokenizer.ggml.pre",
        "'nonsense'",
        "deepseek-v3");
    refused(
        vocabulary("gpt2", "a").texts("tokenizer.ggml.merges", "ab"),
        "tokenizer.ggml.merges",
        "'ab'");
    refused(
        vocabulary("gpt2", "a").texts("tokenizer.ggml.merges", "x y"), "not a usable tokenizer");
    refused(
        vocabulary("gpt2", "a", "b").array("tokenizer.ggml.token_type", INT32, 1, GgufBytes.u32(1)),
        "tokenizer.ggml.token_type",
        "1 entries");
    refused(vocabulary("llama", "a"), "tokenizer.ggml.scores", "missing");
    refused(
        vocabulary("llama", "a").array("tokenizer.ggml.scores", FLOAT32, 0),
        "tokenizer.ggml.scores");
    refused(
        vocabulary("llama", "a")
            .array("tokenizer.ggml.scores", FLOAT32, 1, GgufBytes.floats(0))
            .u32("tokenizer.ggml.unknown_token_id", 7),
        "tokenizer.ggml.unknown_token_id",
        "is 7");
  }

  /** Behaviour 15: what a file says of BOS holds, and else the kind of its vocabulary. */
  @Test
  void ggufSaysWhetherBosComesFirst() {
    GgufBytes bytes =
        vocabulary("gpt2", "a", "b", "ab", "<s>")
            .texts("tokenizer.ggml.merges", "a b")
            .u32("tokenizer.ggml.bos_token_id", 3);
    assertArrayEquals(new int[] {2}, encode(bytes));
    bytes.text("tokenizer.ggml.pre", "tekken");
    assertArrayEquals(new int[] {3, 2}, encode(bytes));
    bytes.flag("tokenizer.ggml.add_bos_token", false);
    assertArrayEquals(new int[] {2}, encode(bytes));
  }

  private int[] encode(GgufBytes bytes) {
    try (Tokenizer tokenizer = Tokenizer.open(bytes.write(temporary.resolve("bos.gguf")))) {
      return tokenizer.encode("ab", true);
    }
  }

  @Test
  void brokenTiktokenFilesAreOneLineThatNamesTheLine() throws IOException {
    for (Map.Entry<String, String> broken :
        Map.of(
                "", "no tokens",
                "YQ== 0\nYg== 2\n", "line 2",
                "YQ== 0\nYQ== 1\n", "line 2",
                "YQ== 0\n?? 1\n", "line 2",
                "YQ==\n", "line 1",
                "YQ== x\n", "line 1")
            .entrySet()) {
      Path file = Files.writeString(temporary.resolve("tiktoken.model"), broken.getKey());
      CheckpointException e =
          assertThrows(CheckpointException.class, () -> Tokenizer.open(temporary));
      assertTrue(e.getMessage().startsWith(file + ": "), e.getMessage());
      assertTrue(e.getMessage().contains(broken.getValue()), e.getMessage());
      assertEquals(1, e.getMessage().lines().count());
    }
  }
}

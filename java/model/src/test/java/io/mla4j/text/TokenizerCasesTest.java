package io.mla4j.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.mla4j.text.vocabulary.JsonKeys;
import io.mla4j.text.vocabulary.TokenizerSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Given a vocabulary in any form, when texts are encoded, then their ids are those of the reference
 * library: scripts/tokenizers/make_cases.py makes the cases.
 */
class TokenizerCasesTest {
  private static final ObjectMapper MAPPER = new ObjectMapper();
  private static final Path CARRIED =
      Path.of(System.getProperty("mla4j.root"), "java/model/src/test/resources/tokenizers");

  static List<Path> cases() throws IOException {
    return cases(CARRIED);
  }

  private static List<Path> cases(Path root) throws IOException {
    try (Stream<Path> entries = Files.list(root)) {
      return entries.filter(Files::isDirectory).sorted().toList();
    }
  }

  private static Tokenizer open(Path folder, JsonNode one) {
    return one.has("keys")
        ? Tokenizer.open(
            TokenizerSource.read(new JsonKeys(folder + ".gguf", (ObjectNode) one.get("keys"))))
        : Tokenizer.open(folder);
  }

  private static int[] ids(JsonNode array) {
    return StreamSupport.stream(array.spliterator(), false).mapToInt(JsonNode::intValue).toArray();
  }

  @ParameterizedTest
  @MethodSource("cases")
  void idsAreTheReferences(Path folder) throws IOException {
    check(folder);
  }

  private static void check(Path folder) throws IOException {
    JsonNode texts = MAPPER.readTree(folder.resolveSibling("texts.json").toFile());
    JsonNode one = MAPPER.readTree(folder.resolve("case.json").toFile());
    Set<Integer> skip = new HashSet<>();
    one.path("skip").forEach(index -> skip.add(index.intValue()));
    assertEquals(texts.size(), one.get("ids").size());
    try (Tokenizer tokenizer = open(folder, one)) {
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
}

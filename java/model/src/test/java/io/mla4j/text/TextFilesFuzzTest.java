package io.mla4j.text;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.testkit.ReaderFuzz;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Given a vocabulary, a tokenizer's options or a chat template that is changed ({@link
 * ReaderFuzz}), when it is read and used, then that succeeds or ends in a typed error of one line.
 */
class TextFilesFuzzTest {
  private static final Path ROOT = Path.of(System.getProperty("mla4j.root"));
  private static final Path TINY = ROOT.resolve("models/tiny-mla");
  private static final Path TIKTOKEN =
      ROOT.resolve("java/model/src/test/resources/tokenizers/tiktoken");
  private static final String TEXT = "Once upon a time, \u00e9l\u00e8ve <s> 123";

  @TempDir private Path folder;

  @ParameterizedTest
  @ValueSource(strings = {"tokenizer.json", "tokenizer_config.json"})
  void vocabularyOfTokenizersLibrary(String file) throws IOException {
    fuzzTokenizer(TINY, file, 60);
  }

  @ParameterizedTest
  @ValueSource(strings = {"tiktoken.model", "tokenizer_config.json"})
  void vocabularyOfTiktoken(String file) throws IOException {
    fuzzTokenizer(TIKTOKEN, file, 150);
  }

  private void fuzzTokenizer(Path model, String name, int usual) throws IOException {
    try (var files = Files.list(model)) {
      for (Path file : files.filter(f -> !f.toString().endsWith(".safetensors")).toList()) {
        Files.copy(file, folder.resolve(file.getFileName()));
      }
    }
    byte[] original = Files.readAllBytes(model.resolve(name));
    int refused =
        new ReaderFuzz(model.getFileName() + "/" + name)
            .run(
                original,
                original.length,
                ReaderFuzz.tries(usual),
                bytes -> {
                  Files.write(folder.resolve(name), bytes);
                  try (Tokenizer tokenizer = Tokenizer.open(folder)) {
                    tokenizer.decode(tokenizer.encode(TEXT, true), false);
                  }
                });
    assertTrue(refused > 0 || ReaderFuzz.tries(usual) < 60);
  }

  @ParameterizedTest
  @ValueSource(strings = {"ds-v3", "glm", "kimi", "ling", "minicpm"})
  void chatTemplate(String name) throws IOException {
    byte[] original = Files.readAllBytes(ROOT.resolve("scripts/templates/" + name + ".jinja"));
    List<ChatMessage> messages =
        List.of(ChatMessage.system("s"), ChatMessage.user("u"), ChatMessage.assistant("a"));
    new ReaderFuzz(name)
        .run(
            original,
            original.length,
            ReaderFuzz.tries(500),
            bytes ->
                ChatTemplate.of(name, new String(bytes, StandardCharsets.UTF_8), TINY)
                    .render(messages));
  }
}

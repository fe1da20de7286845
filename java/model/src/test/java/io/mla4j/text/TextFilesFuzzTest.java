package io.mla4j.text;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.testkit.FuzzTarget;
import io.mla4j.testkit.ReaderFuzz;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

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

  /** What is fuzzed here. */
  public static final class Targets implements FuzzTarget.Provider {
    @Override
    public List<FuzzTarget> targets() {
      List<FuzzTarget> targets = new ArrayList<>();
      targets.add(vocabulary("tokenizer", TINY, "tokenizer.json"));
      targets.add(vocabulary("tokenizer-config", TINY, "tokenizer_config.json"));
      targets.add(vocabulary("tiktoken", TIKTOKEN, "tiktoken.model"));
      targets.add(vocabulary("tiktoken-config", TIKTOKEN, "tokenizer_config.json"));
      for (String name : List.of("ds-v3", "glm", "kimi", "ling", "minicpm")) {
        targets.add(new FuzzTarget("template-" + name, folder -> template(name)));
      }
      return targets;
    }
  }

  static Stream<FuzzTarget> targets() {
    return new Targets().targets().stream();
  }

  @ParameterizedTest
  @MethodSource("targets")
  void succeedsOrIsRefused(FuzzTarget target, @TempDir Path folder) throws IOException {
    boolean template = target.name().startsWith("template");
    int tries = ReaderFuzz.tries(template ? 500 : target.name().startsWith("tik") ? 150 : 60);
    int refused = ReaderFuzz.run(target, folder, tries);
    assertTrue(refused > 0 || template || tries < 60);
  }

  private static FuzzTarget vocabulary(String target, Path model, String name) {
    return new FuzzTarget(
        target,
        folder -> {
          try (var files = Files.list(model)) {
            for (Path file : files.filter(f -> !f.toString().endsWith(".safetensors")).toList()) {
              Files.copy(file, folder.resolve(file.getFileName()));
            }
          }
          return FuzzTarget.Opened.of(
              Files.readAllBytes(model.resolve(name)),
              bytes -> {
                Files.write(folder.resolve(name), bytes);
                try (Tokenizer tokenizer = Tokenizer.open(folder)) {
                  tokenizer.decode(tokenizer.encode(TEXT, true), false);
                }
              });
        });
  }

  private static FuzzTarget.Opened template(String name) throws IOException {
    List<ChatMessage> messages =
        List.of(ChatMessage.system("s"), ChatMessage.user("u"), ChatMessage.assistant("a"));
    return FuzzTarget.Opened.of(
        Files.readAllBytes(ROOT.resolve("scripts/templates/" + name + ".jinja")),
        bytes ->
            ChatTemplate.of(name, new String(bytes, StandardCharsets.UTF_8), TINY)
                .render(messages));
  }
}

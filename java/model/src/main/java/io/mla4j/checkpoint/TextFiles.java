package io.mla4j.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * Where a model's vocabulary and its chat template are.
 *
 * @param tokenizer a file, or the keys of a GGUF file with what they hold
 * @param template a file with the key, or a key of a GGUF file
 */
public record TextFiles(Optional<String> tokenizer, Optional<String> template) {
  /** There are none. */
  public static final TextFiles NONE = new TextFiles(Optional.empty(), Optional.empty());

  private static final String TEMPLATE = "tokenizer.chat_template";
  private static final String CONFIG = "tokenizer_config.json";
  private static final long MAX_BYTES = 200_000_000;

  /** Those of an open model. */
  public static TextFiles of(Checkpoint checkpoint) {
    return checkpoint
        .gguf()
        .map(TextFiles::ofGguf)
        .orElseGet(() -> ofDirectory(checkpoint.directory()));
  }

  private static TextFiles ofGguf(GgufMetadata keys) {
    Optional<String> tokenizer =
        keys.text("tokenizer.ggml.model")
            .map(
                model ->
                    "tokenizer.ggml."
                        + model
                        + keys.text("tokenizer.ggml.pre").map(pre -> ", pre " + pre).orElse("")
                        + ", "
                        + keys.length("tokenizer.ggml.tokens").orElse(0)
                        + " tokens");
    return new TextFiles(
        tokenizer, Optional.of(TEMPLATE).filter(key -> keys.text(key).isPresent()));
  }

  private static TextFiles ofDirectory(Path directory) {
    Optional<String> tokenizer = firstOf(directory, "tokenizer.json", "tiktoken.model");
    Optional<String> template = firstOf(directory, "chat_template.jinja");
    if (template.isEmpty() && Files.exists(directory.resolve(CONFIG))) {
      JsonNode config = Json.readObject(directory.resolve(CONFIG), MAX_BYTES);
      template =
          config.hasNonNull("chat_template")
              ? Optional.of("chat_template of " + CONFIG)
              : Optional.empty();
    }
    return new TextFiles(tokenizer, template);
  }

  private static Optional<String> firstOf(Path directory, String... names) {
    return List.of(names).stream()
        .filter(name -> Files.exists(directory.resolve(name)))
        .findFirst();
  }
}

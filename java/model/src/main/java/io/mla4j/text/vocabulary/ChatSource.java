package io.mla4j.text.vocabulary;

import com.fasterxml.jackson.databind.JsonNode;
import io.mla4j.checkpoint.CheckpointException;
import io.mla4j.checkpoint.GgufMetadata;
import io.mla4j.checkpoint.Json;
import io.mla4j.checkpoint.Quote;
import io.mla4j.checkpoint.Utf8;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The text of a chat template and the special tokens that it may write.
 *
 * @param name where it stands, for messages
 * @param withTools another one, for conversations with tools
 * @param tokens texts of special tokens by the names that templates have for them
 */
public record ChatSource(
    String name, String template, Optional<String> withTools, Map<String, String> tokens) {
  private static final String FILE = "chat_template.jinja";
  private static final String CONFIG = "tokenizer_config.json";
  private static final String KEY = "chat_template";
  private static final String TOOL_USE = "tool_use";
  private static final String GGUF_KEY = "tokenizer.chat_template";
  private static final long MAX_BYTES = 200_000_000;

  private static final List<String> TOKENS =
      List.of(
          "bos_token",
          "eos_token",
          "unk_token",
          "sep_token",
          "pad_token",
          "cls_token",
          "mask_token");

  /** What GGUF calls them. */
  private static final Map<String, String> GGUF_TOKENS =
      Map.of(
          "bos_token", "bos",
          "eos_token", "eos",
          "unk_token", "unknown",
          "sep_token", "seperator",
          "pad_token", "padding",
          "mask_token", "mask");

  /**
   * The template of the model in a directory or a GGUF, where it has one.
   *
   * @throws CheckpointException naming the file and the key that is malformed
   */
  public static Optional<ChatSource> find(Path model) {
    Path file = model.resolve(FILE);
    if (Files.exists(file)) {
      return Optional.of(
          new ChatSource(file.toString(), text(file), Optional.empty(), tokens(model)));
    }
    Path config = model.resolve(CONFIG);
    JsonNode stated = Files.exists(config) ? Json.readObject(config, MAX_BYTES).path(KEY) : null;
    if (stated != null && !stated.isMissingNode() && !stated.isNull()) {
      return Optional.of(ofConfig(config, stated, tokens(model)));
    }
    return GgufText.open(model, ChatSource::ofGguf).flatMap(found -> found);
  }

  /** The special tokens of the model in a directory or a GGUF. */
  public static Map<String, String> tokens(Path model) {
    Map<String, String> tokens = new HashMap<>();
    for (String name : List.of("special_tokens_map.json", CONFIG)) {
      Path file = model.resolve(name);
      if (Files.exists(file)) {
        JsonNode object = Json.readObject(file, MAX_BYTES);
        for (String key : TOKENS) {
          TokenizerSource.tokenText(object.path(key)).ifPresent(text -> tokens.put(key, text));
        }
      }
    }
    return tokens.isEmpty() ? GgufText.open(model, ChatSource::tokens).orElse(tokens) : tokens;
  }

  private static String text(Path file) {
    Json.requireFile(file);
    try {
      return Utf8.decode(file.toString(), Files.readAllBytes(file));
    } catch (IOException e) {
      throw new CheckpointException(file + ": cannot be read: " + Quote.line(e.toString()), e);
    }
  }

  /** A text, or a list of templates with names. */
  private static ChatSource ofConfig(Path config, JsonNode stated, Map<String, String> tokens) {
    String where = config + ": key '" + KEY + "'";
    if (stated.isTextual()) {
      return new ChatSource(where, stated.textValue(), Optional.empty(), tokens);
    }
    Map<String, String> named = new HashMap<>();
    for (JsonNode entry : stated) {
      String name = entry.path("name").textValue();
      String template = entry.path("template").textValue();
      if (name == null || template == null) {
        throw new CheckpointException(where + " has an entry without name or template");
      }
      named.put(name, template);
    }
    if (!stated.isArray() || !named.containsKey("default")) {
      throw new CheckpointException(
          where + " must be a text, or a list of templates of which one is called default");
    }
    return new ChatSource(
        where, named.get("default"), Optional.ofNullable(named.get(TOOL_USE)), tokens);
  }

  private static Optional<ChatSource> ofGguf(GgufMetadata keys) {
    return keys.text(GGUF_KEY)
        .map(
            template ->
                new ChatSource(
                    keys.file() + ": key '" + GGUF_KEY + "'",
                    template,
                    keys.text(GGUF_KEY + "." + TOOL_USE),
                    tokens(keys)));
  }

  private static Map<String, String> tokens(GgufMetadata keys) {
    List<String> texts = keys.texts("tokenizer.ggml.tokens").orElse(List.of());
    Map<String, String> tokens = new HashMap<>();
    GGUF_TOKENS.forEach(
        (name, key) ->
            keys.wholeNumber("tokenizer.ggml." + key + "_token_id", 0, Integer.MAX_VALUE)
                .ifPresent(
                    id -> {
                      if (id < texts.size()) {
                        tokens.put(name, texts.get(id));
                      }
                    }));
    return tokens;
  }
}

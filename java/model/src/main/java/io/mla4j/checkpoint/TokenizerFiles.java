package io.mla4j.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.Set;

/**
 * {@code tokenizer.json} as it is, and what {@code tokenizer_config.json} says about the start of a
 * text.
 *
 * @param file tokenizer.json
 * @param json its text
 * @param bosToken the text of the token that starts a text, where there is one
 * @param addBos whether it is put before a text; empty where neither the file nor the tokenizer's
 *     class says so, which leaves it to tokenizer.json
 */
public record TokenizerFiles(
    Path file, String json, Optional<String> bosToken, Optional<Boolean> addBos) {
  private static final String CONFIG = "tokenizer_config.json";
  private static final long MAX_BYTES = 200_000_000;

  /** Classes whose default, where {@code add_bos_token} is absent, is to add it. */
  private static final Set<String> ADD_BOS_CLASSES = Set.of("LlamaTokenizer", "LlamaTokenizerFast");

  /**
   * Reads the files in {@code directory}; the second may be absent.
   *
   * @throws CheckpointException naming the file, and the key that is malformed
   */
  public static TokenizerFiles read(Path directory) {
    Path file = directory.resolve("tokenizer.json");
    Json.requireFile(file);
    String json;
    try {
      if (Files.size(file) > MAX_BYTES) {
        throw new CheckpointException(
            file + ": has " + Files.size(file) + " bytes, but at most " + MAX_BYTES + " are read");
      }
      json = Utf8.decode(file.toString(), Files.readAllBytes(file));
    } catch (IOException e) {
      throw unusable(file, e);
    }
    Path config = directory.resolve(CONFIG);
    if (!Files.exists(config)) {
      return new TokenizerFiles(file, json, Optional.empty(), Optional.empty());
    }
    JsonNode object = Json.readObject(config, MAX_BYTES);
    ConfigKeys keys = new ConfigKeys(config, "", object);
    JsonNode token = object.path("bos_token");
    String bosToken = token.isObject() ? token.path("content").textValue() : token.textValue();
    boolean fromClass = keys.text("tokenizer_class").filter(ADD_BOS_CLASSES::contains).isPresent();
    boolean explicit = keys.has("add_bos_token");
    boolean add = keys.flag("add_bos_token", fromClass);
    if (bosToken == null && explicit && add) {
      throw keys.error("add_bos_token", "is true, but bos_token is no text");
    }
    return new TokenizerFiles(
        file,
        json,
        Optional.ofNullable(bosToken),
        explicit || add ? Optional.of(add) : Optional.empty());
  }

  /** What to throw where the tokenizer's library refuses {@link #json}. */
  public CheckpointException unusable(Throwable cause) {
    return cause instanceof LinkageError
        ? new CheckpointException(
            file + ": the native tokenizer library does not load: " + Quote.line(cause.toString()),
            cause)
        : unusable(file, cause);
  }

  private static CheckpointException unusable(Path file, Throwable cause) {
    return new CheckpointException(
        file + ": is not a usable tokenizer: " + Quote.line(String.valueOf(cause.getMessage())),
        cause);
  }

  /** What to throw where {@link #bosToken}, which is to be added, is no token. */
  public CheckpointException unknownBos() {
    return new CheckpointException(
        file.resolveSibling(CONFIG)
            + ": bos_token is "
            + Quote.name(bosToken.orElse(""))
            + ", which is not a token of tokenizer.json");
  }
}

package io.mla4j.text.vocabulary;

import com.fasterxml.jackson.databind.JsonNode;
import io.mla4j.checkpoint.CheckpointException;
import io.mla4j.checkpoint.Json;
import io.mla4j.checkpoint.Quote;
import io.mla4j.checkpoint.Utf8;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * A tokenizer.json, from a file or made of another vocabulary, and what is said about the start of
 * a text.
 *
 * @param name the file that it comes from, for messages
 * @param json its text in UTF-8
 * @param bosToken the text of the token that starts a text, where there is one
 * @param addBos whether it is put before a text; empty where neither a file nor the tokenizer's
 *     class says so, which leaves it to tokenizer.json
 */
public record TokenizerSource(
    String name, byte[] json, Optional<String> bosToken, Optional<Boolean> addBos) {
  private static final String JSON = "tokenizer.json";
  private static final String TIKTOKEN = "tiktoken.model";
  private static final String CONFIG = "tokenizer_config.json";
  private static final long MAX_BYTES = 200_000_000;

  /** Classes whose default, where {@code add_bos_token} is absent, is to add it. */
  private static final Set<String> ADD_BOS_CLASSES = Set.of("LlamaTokenizer", "LlamaTokenizerFast");

  /**
   * Reads tokenizer.json or tiktoken.model of a directory with tokenizer_config.json, which may be
   * absent, or else the keys of a GGUF, which {@code model} is or has.
   *
   * @throws CheckpointException naming the file, and the key that is malformed
   */
  public static TokenizerSource read(Path model) {
    return find(model).orElseGet(() -> read(model, model.resolve(JSON)));
  }

  /** Whether {@code model} is or has a file that may hold a vocabulary. */
  public static boolean exists(Path model) {
    return Files.exists(model.resolve(JSON))
        || Files.exists(model.resolve(TIKTOKEN))
        || GgufText.exists(model);
  }

  /** As above; empty where {@code model} has no vocabulary at all. */
  public static Optional<TokenizerSource> find(Path model) {
    for (String name : List.of(JSON, TIKTOKEN)) {
      if (Files.exists(model.resolve(name))) {
        return Optional.of(read(model, model.resolve(name)));
      }
    }
    return GgufText.open(model, GgufVocabulary::read);
  }

  private static TokenizerSource read(Path directory, Path file) {
    byte[] bytes = bytes(file);
    Path config = directory.resolve(CONFIG);
    JsonNode object = Files.exists(config) ? Json.readObject(config, MAX_BYTES) : null;
    byte[] json =
        file.endsWith(TIKTOKEN) ? TiktokenVocabulary.read(file, bytes, object) : utf8(file, bytes);
    if (object == null) {
      return new TokenizerSource(file.toString(), json, Optional.empty(), Optional.empty());
    }
    Optional<String> bosToken = tokenText(object.path("bos_token"));
    JsonNode stated = object.path("add_bos_token");
    boolean explicit = !stated.isMissingNode() && !stated.isNull();
    if (explicit && !stated.isBoolean()) {
      throw new CheckpointException(
          config
              + ": key 'add_bos_token' is "
              + Quote.line(stated.toString())
              + ", but must be true or false");
    }
    boolean add =
        explicit
            ? stated.booleanValue()
            : ADD_BOS_CLASSES.contains(object.path("tokenizer_class").asText());
    if (bosToken.isEmpty() && explicit && add) {
      throw new CheckpointException(
          config + ": key 'add_bos_token' is true, but bos_token is no text");
    }
    return new TokenizerSource(
        file.toString(), json, bosToken, explicit || add ? Optional.of(add) : Optional.empty());
  }

  /** The text of a token in tokenizer_config.json: given as it is, or with its properties. */
  public static Optional<String> tokenText(JsonNode token) {
    return Optional.ofNullable(
        token.isObject() ? token.path("content").textValue() : token.textValue());
  }

  private static byte[] bytes(Path file) {
    Json.requireFile(file);
    try {
      if (Files.size(file) > MAX_BYTES) {
        throw new CheckpointException(
            file + ": has " + Files.size(file) + " bytes, but at most " + MAX_BYTES + " are read");
      }
      return Files.readAllBytes(file);
    } catch (IOException e) {
      throw new CheckpointException(
          file + ": is not a usable tokenizer: " + Quote.line(String.valueOf(e.getMessage())), e);
    }
  }

  private static byte[] utf8(Path file, byte[] bytes) {
    return Utf8.decode(file.toString(), bytes).getBytes(StandardCharsets.UTF_8);
  }

  /** What to throw where the tokenizer's library refuses {@link #json}. */
  public CheckpointException unusable(Throwable cause) {
    return new CheckpointException(
        name
            + (cause instanceof LinkageError
                ? ": the native tokenizer library does not load: " + Quote.line(cause.toString())
                : ": is not a usable tokenizer: " + Quote.line(String.valueOf(cause.getMessage()))),
        cause);
  }

  /** What to throw where {@link #bosToken}, which is to be added, is no token. */
  public CheckpointException unknownBos() {
    return new CheckpointException(
        Path.of(name).resolveSibling(CONFIG)
            + ": bos_token is "
            + Quote.name(bosToken.orElse(""))
            + ", which is not a token of "
            + Path.of(name).getFileName());
  }
}

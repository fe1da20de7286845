package io.mla4j.text;

import com.fasterxml.jackson.databind.JsonNode;
import io.mla4j.InvalidArgumentException;
import io.mla4j.checkpoint.Checkpoint;
import io.mla4j.checkpoint.CheckpointException;
import io.mla4j.checkpoint.ConfigReader;
import io.mla4j.checkpoint.FileType;
import io.mla4j.checkpoint.GgufExport;
import io.mla4j.checkpoint.GgufMetadata;
import io.mla4j.checkpoint.Json;
import io.mla4j.checkpoint.ModelDescription;
import io.mla4j.checkpoint.MtpLayer;
import io.mla4j.checkpoint.Quote;
import io.mla4j.text.vocabulary.GgufTokenizer;
import io.mla4j.text.vocabulary.TokenizerSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.LongConsumer;

/**
 * Writes a model as one GGUF file with its weights in another type, tokenizer and chat template
 * inside. Belongs to one thread.
 */
public final class Quantizer implements AutoCloseable {
  private static final String CONFIG = "tokenizer_config.json";
  private static final String TEMPLATE = "chat_template.jinja";
  private static final String TEMPLATE_KEY = "tokenizer.chat_template";
  private static final String TOKENIZER_KEYS = "tokenizer.";
  private static final long MAX_BYTES = 200_000_000;
  private static final List<String> END_KEYS = List.of("eos", "eot", "eom");

  private final Checkpoint checkpoint;
  private final GgufExport export;

  private Quantizer(Checkpoint checkpoint, GgufExport export) {
    this.checkpoint = checkpoint;
    this.export = export;
  }

  /**
   * Opens a model and reads all of it but its weights.
   *
   * @param mtp what becomes of a layer for multi-token prediction
   * @param pre the name that GGUF files have for how the tokenizer cuts texts; empty: found by its
   *     patterns
   * @throws CheckpointException naming what is malformed or cannot be said in a GGUF file
   */
  public static Quantizer open(Path model, FileType type, MtpLayer mtp, Optional<String> pre) {
    ModelDescription description = ConfigReader.read(model);
    Checkpoint checkpoint = Checkpoint.open(model);
    try {
      Path name = model.toAbsolutePath().normalize().getFileName();
      GgufExport export =
          new GgufExport(checkpoint, description, type, mtp, name == null ? "" : name.toString());
      Optional<GgufMetadata> own = checkpoint.gguf();
      if (own.isPresent()) {
        export.copy(own.get(), TOKENIZER_KEYS);
      } else {
        tokenizer(model, description, pre, export);
      }
      return new Quantizer(checkpoint, export);
    } catch (RuntimeException | Error e) {
      checkpoint.close();
      throw e;
    }
  }

  private static void tokenizer(
      Path directory, ModelDescription model, Optional<String> pre, GgufExport to) {
    if (TokenizerSource.exists(directory)) {
      TokenizerSource source = TokenizerSource.read(directory);
      GgufTokenizer.write(source, model.vocabulary(), pre, to);
      if (source.bosToken().isEmpty()) {
        model.bos().ifPresent(id -> to.put("tokenizer.ggml.bos_token_id", id));
      }
      template(directory).ifPresent(text -> to.put(TEMPLATE_KEY, text));
    } else {
      to.put("tokenizer.ggml.model", "no_vocab");
    }
    for (int i = 0; i < Math.min(END_KEYS.size(), model.eos().size()); i++) {
      to.put("tokenizer.ggml." + END_KEYS.get(i) + "_token_id", model.eos().get(i));
    }
  }

  /** In a file of its own, or a key of tokenizer_config.json: a text, or several with names. */
  private static Optional<String> template(Path directory) {
    Path file = directory.resolve(TEMPLATE);
    if (Files.exists(file)) {
      try {
        return Optional.of(Files.readString(file));
      } catch (IOException e) {
        throw new CheckpointException(
            file + ": cannot be read: " + Quote.line(String.valueOf(e.getMessage())), e);
      }
    }
    Path config = directory.resolve(CONFIG);
    if (!Files.exists(config)) {
      return Optional.empty();
    }
    JsonNode template = Json.readObject(config, MAX_BYTES).path("chat_template");
    if (template.isArray()) {
      return template
          .valueStream()
          .filter(entry -> entry.path("name").asText().equals("default"))
          .map(entry -> entry.path("template").asText())
          .findFirst();
    }
    return Optional.ofNullable(template.textValue());
  }

  /** Bytes of weights that {@link #write} will read. */
  public long bytesToRead() {
    return export.bytesToRead();
  }

  /**
   * Writes the file, in place of what it had: at once, when all of it is there.
   *
   * @param threads that read and round, 1 or more
   * @param progress is told how many bytes were read since it was called last
   * @throws io.mla4j.Mla4jException naming the file that cannot be written, or the tensor that has
   *     a value which is no number; the old file stays
   */
  public void write(Path file, int threads, LongConsumer progress) {
    if (threads < 1) {
      throw new InvalidArgumentException("threads is " + threads + ", but must be 1 or more");
    }
    export.write(file, threads, progress);
  }

  /** Closes the model. */
  @Override
  public void close() {
    checkpoint.close();
  }
}

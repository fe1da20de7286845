package io.mla4j.checkpoint;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.mla4j.text.Tokenizer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.function.Consumer;
import java.util.stream.Stream;

/** A copy of a small model that tests may spoil. */
public record ModelFiles(Path directory) {
  /** As strict as {@link Json}, and knows numbers that are none. */
  public static final JsonMapper MAPPER = JsonMapper.builder(Json.FACTORY).build();

  /** A copy of the golden case {@code name}. */
  public static ModelFiles copyOf(String name, Path target) {
    try (Stream<Path> files = Files.list(GoldenCheckpointsTest.GOLDEN.resolve(name))) {
      Files.createDirectories(target);
      for (Path file : files.filter(file -> !file.endsWith("golden.safetensors")).toList()) {
        Files.copy(file, target.resolve(file.getFileName().toString()));
      }
      return new ModelFiles(target);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Reads everything that can be read without running the model. */
  public void open() {
    ModelDescription model = ConfigReader.read(directory);
    try (Checkpoint checkpoint = Checkpoint.open(directory)) {
      WeightTable.resolve(model, checkpoint);
    }
    if (Files.exists(directory.resolve("tokenizer.json"))) {
      Tokenizer.open(directory).close();
    }
  }

  public byte[] read(String file) {
    try {
      return Files.readAllBytes(directory.resolve(file));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  public void write(String file, byte[] bytes) {
    try {
      Files.write(directory.resolve(file), bytes);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  public void write(String file, String text) {
    write(file, text.getBytes(StandardCharsets.UTF_8));
  }

  public void delete(String file) {
    try {
      Files.delete(directory.resolve(file));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Changes the object in a JSON file. */
  public void json(String file, Consumer<ObjectNode> change) {
    try {
      ObjectNode object = (ObjectNode) MAPPER.readTree(read(file));
      change.accept(object);
      write(file, MAPPER.writeValueAsBytes(object));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Changes the header of a safetensors file and leaves its data alone. */
  public void header(String file, Consumer<ObjectNode> change) {
    byte[] bytes = read(file);
    try {
      ObjectNode header = (ObjectNode) MAPPER.readTree(bytes, 8, (int) headerLength(bytes));
      change.accept(header);
      headerText(file, MAPPER.writeValueAsString(header));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Replaces the header of a safetensors file. */
  public void headerText(String file, String text) {
    byte[] bytes = read(file);
    byte[] header = text.getBytes(StandardCharsets.UTF_8);
    int dataAt = 8 + (int) headerLength(bytes);
    ByteBuffer changed =
        ByteBuffer.allocate(8 + header.length + bytes.length - dataAt)
            .order(ByteOrder.LITTLE_ENDIAN)
            .putLong(header.length)
            .put(header)
            .put(bytes, dataAt, bytes.length - dataAt);
    write(file, changed.array());
  }

  /** Replaces the length at the start of a safetensors file. */
  public void headerLength(String file, long length) {
    byte[] bytes = read(file);
    ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putLong(0, length);
    write(file, bytes);
  }

  /** Writes two bytes into the data of a tensor. */
  public void poison(String file, String tensor, int bf16) {
    byte[] bytes = read(file);
    try {
      long begin =
          MAPPER
              .readTree(bytes, 8, (int) headerLength(bytes))
              .get(tensor)
              .get("data_offsets")
              .get(0)
              .longValue();
      ByteBuffer.wrap(bytes)
          .order(ByteOrder.LITTLE_ENDIAN)
          .putShort((int) (8 + headerLength(bytes) + begin), (short) bf16);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    write(file, bytes);
  }

  /** Cuts a file. */
  public void truncate(String file, int length) {
    write(file, Arrays.copyOf(read(file), length));
  }

  public static long headerLength(byte[] bytes) {
    return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong();
  }
}

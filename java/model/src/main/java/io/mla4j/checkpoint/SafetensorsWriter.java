package io.mla4j.checkpoint;

import com.fasterxml.jackson.core.JsonGenerator;
import io.mla4j.InvalidArgumentException;
import io.mla4j.Mla4jException;
import io.mla4j.ops.Tensor;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.UUID;

/**
 * Writes a safetensors file: tensors are collected, then written at once under a temporary name
 * that becomes the file's by an atomic rename, so that a reader never sees half a file. Belongs to
 * one thread.
 */
public final class SafetensorsWriter {
  private static final long BLOCK = 1 << 26;

  private final Map<String, Tensor> tensors = new LinkedHashMap<>();
  private final Map<String, String> metadata = new LinkedHashMap<>();

  /** A writer without tensors. */
  public SafetensorsWriter() {}

  /** Adds a text to {@code __metadata__}. */
  public SafetensorsWriter metadata(String key, String value) {
    metadata.put(key, value);
    return this;
  }

  /**
   * Adds a contiguous tensor, which must keep its numbers until {@link #write} has run.
   *
   * @throws InvalidArgumentException where the name is taken or the tensor has gaps
   */
  public SafetensorsWriter add(String name, Tensor tensor) {
    if (name.equals("__metadata__") || tensors.containsKey(name)) {
      throw new InvalidArgumentException("name " + Quote.name(name) + " is taken");
    }
    long expected = 1;
    for (int i = tensor.rank() - 1; i >= 0; i--) {
      if (tensor.dim(i) > 1 && tensor.stride(i) != expected) {
        throw new InvalidArgumentException("tensor " + Quote.name(name) + " has gaps");
      }
      expected *= tensor.dim(i);
    }
    tensors.put(name, tensor);
    return this;
  }

  /**
   * Writes the file, replacing one that is there.
   *
   * @throws Mla4jException naming the file where it cannot be written; nothing is left behind then
   */
  public void write(Path file) {
    Path target = file.toAbsolutePath();
    Path temporary = target.resolveSibling("." + target.getFileName() + "." + UUID.randomUUID());
    try {
      try {
        try (FileChannel channel =
            FileChannel.open(temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
          writeTo(channel);
          channel.force(true);
        }
        Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
      } finally {
        Files.deleteIfExists(temporary);
      }
    } catch (IOException e) {
      throw new Mla4jException(file + ": cannot be written: " + Quote.line(e.toString()), e);
    }
  }

  private void writeTo(FileChannel channel) throws IOException {
    byte[] header = header();
    // the data starts at a multiple of 8, as readers expect it
    int padding = -header.length & 7;
    ByteBuffer start =
        ByteBuffer.allocate(8 + header.length + padding).order(ByteOrder.LITTLE_ENDIAN);
    start.putLong(header.length + padding).put(header);
    while (start.hasRemaining()) {
      start.put((byte) ' ');
    }
    write(channel, start.flip());
    for (Tensor tensor : tensors.values()) {
      MemorySegment bytes = tensor.segment().asSlice(0, byteSize(tensor));
      for (long at = 0; at < bytes.byteSize(); at += BLOCK) {
        write(channel, bytes.asSlice(at, Math.min(BLOCK, bytes.byteSize() - at)).asByteBuffer());
      }
    }
  }

  private static void write(FileChannel channel, ByteBuffer buffer) throws IOException {
    while (buffer.hasRemaining()) {
      channel.write(buffer);
    }
  }

  private static long byteSize(Tensor tensor) {
    long elements = 1;
    for (int i = 0; i < tensor.rank(); i++) {
      elements *= tensor.dim(i);
    }
    return tensor.format().bytes(elements);
  }

  private byte[] header() throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try (JsonGenerator json = Json.FACTORY.createGenerator(out)) {
      json.writeStartObject();
      if (!metadata.isEmpty()) {
        json.writeObjectFieldStart("__metadata__");
        for (Map.Entry<String, String> entry : metadata.entrySet()) {
          json.writeStringField(entry.getKey(), entry.getValue());
        }
        json.writeEndObject();
      }
      long begin = 0;
      for (Map.Entry<String, Tensor> entry : tensors.entrySet()) {
        Tensor tensor = entry.getValue();
        json.writeObjectFieldStart(entry.getKey());
        json.writeStringField("dtype", tensor.format().name());
        json.writeArrayFieldStart("shape");
        for (int i = 0; i < tensor.rank(); i++) {
          json.writeNumber(tensor.dim(i));
        }
        json.writeEndArray();
        json.writeArrayFieldStart("data_offsets");
        json.writeNumber(begin);
        begin += byteSize(tensor);
        json.writeNumber(begin);
        json.writeEndArray();
        json.writeEndObject();
      }
      json.writeEndObject();
    }
    return out.toByteArray();
  }
}

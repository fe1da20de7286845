package io.mla4j.checkpoint;

import com.fasterxml.jackson.core.JsonGenerator;
import io.mla4j.InvalidArgumentException;
import io.mla4j.ops.Tensor;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Writes a safetensors file: tensors are collected, then written at once, as {@link OutputFile}
 * does it. Belongs to one thread.
 */
public final class SafetensorsWriter {
  private static final long BLOCK = 1 << 26;

  private final Map<String, Entry> tensors = new LinkedHashMap<>();
  private final Map<String, String> metadata = new LinkedHashMap<>();

  /** A tensor to be written. */
  private record Entry(String type, List<Long> shape, long bytes, OutputFile.Content content) {}

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
   * @throws InvalidArgumentException where the name is taken, the tensor has gaps, or such files
   *     have no type for its format
   */
  public SafetensorsWriter add(String name, Tensor tensor) {
    requireFree(name);
    StoredType type =
        StoredType.inSafetensors(tensor.format())
            .orElseThrow(
                () ->
                    new InvalidArgumentException(
                        "tensor "
                            + Quote.name(name)
                            + " has format "
                            + tensor.format().name()
                            + ", but must have a type of "
                            + StoredType.safetensorsNames()));
    List<Long> shape = new ArrayList<>();
    for (int i = 0; i < tensor.rank(); i++) {
      shape.add(tensor.dim(i));
    }
    long expected = 1;
    for (int i = tensor.rank() - 1; i >= 0; i--) {
      if (tensor.dim(i) > 1 && tensor.stride(i) != expected) {
        throw new InvalidArgumentException("tensor " + Quote.name(name) + " has gaps");
      }
      expected *= tensor.dim(i);
    }
    MemorySegment bytes = tensor.segment().asSlice(0, byteSize(tensor));
    tensors.put(
        name,
        new Entry(
            type.name(),
            shape,
            bytes.byteSize(),
            channel -> {
              for (long at = 0; at < bytes.byteSize(); at += BLOCK) {
                long next = Math.min(BLOCK, bytes.byteSize() - at);
                write(channel, bytes.asSlice(at, next).asByteBuffer());
              }
            }));
    return this;
  }

  /**
   * Adds a tensor whose bytes, as many as its type and shape have, are written when it is their
   * turn.
   *
   * @throws InvalidArgumentException where the name is taken
   */
  SafetensorsWriter add(
      String name, StoredType type, List<Long> shape, OutputFile.Content content) {
    requireFree(name);
    long elements = shape.stream().mapToLong(Long::longValue).reduce(1, Math::multiplyExact);
    tensors.put(name, new Entry(type.name(), shape, type.bytes(elements), content));
    return this;
  }

  private void requireFree(String name) {
    if (name.equals("__metadata__") || tensors.containsKey(name)) {
      throw new InvalidArgumentException("name " + Quote.name(name) + " is taken");
    }
  }

  /**
   * Writes the file, in place of what it had.
   *
   * @throws io.mla4j.Mla4jException naming the file where it cannot be written; the old one stays
   */
  public void write(Path file) {
    OutputFile.write(file, this::writeTo);
  }

  private void writeTo(WritableByteChannel channel) throws IOException {
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
    for (Entry tensor : tensors.values()) {
      tensor.content.writeTo(channel);
    }
  }

  private static void write(WritableByteChannel channel, ByteBuffer buffer) throws IOException {
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
      for (Map.Entry<String, Entry> entry : tensors.entrySet()) {
        Entry tensor = entry.getValue();
        json.writeObjectFieldStart(entry.getKey());
        json.writeStringField("dtype", tensor.type);
        json.writeArrayFieldStart("shape");
        for (long dimension : tensor.shape) {
          json.writeNumber(dimension);
        }
        json.writeEndArray();
        json.writeArrayFieldStart("data_offsets");
        json.writeNumber(begin);
        begin += tensor.bytes;
        json.writeNumber(begin);
        json.writeEndArray();
        json.writeEndObject();
      }
      json.writeEndObject();
    }
    return out.toByteArray();
  }
}

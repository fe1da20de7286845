package io.mla4j.checkpoint;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * One safetensors file, mapped: u64 length of the header, the header as JSON, the data.
 *
 * <p>Everything that the format demands is checked before a tensor is handed out: each lies inside
 * the data, has the bytes of its dtype and shape, and the tensors cover the data without overlap or
 * gap.
 */
final class SafetensorsFile {
  /** The limit of the reference implementation. */
  static final long MAX_HEADER_BYTES = 100_000_000;

  private static final ValueLayout.OfLong U64 =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final int MAX_RANK = 32;

  private final Path file;
  private final Map<String, StoredTensor> tensors = new LinkedHashMap<>();
  private final Map<String, Long> offsets = new HashMap<>();
  private final Map<String, String> metadata = new HashMap<>();

  /** A header's entry before it is checked against its neighbours. */
  private record Entry(String name, StoredType type, List<Long> shape, long begin, long end) {}

  private SafetensorsFile(Path file) {
    this.file = file;
  }

  /**
   * Maps {@code file} until {@code files} close.
   *
   * @throws CheckpointException naming the file and, where there is one, the tensor that breaks the
   *     format
   */
  static SafetensorsFile map(Path file, OpenFiles files) {
    Json.requireFile(file);
    SafetensorsFile result = new SafetensorsFile(file);
    try {
      MemorySegment bytes = files.map(file);
      if (bytes.byteSize() < 8) {
        throw result.error(
            "is truncated: it has " + bytes.byteSize() + " bytes, but at least 8 are needed");
      }
      result.read(bytes, files);
    } catch (InternalError e) {
      throw files.unreadable(e);
    } catch (JsonProcessingException e) {
      throw Json.malformed(file + ": header", e);
    } catch (IOException e) {
      throw new CheckpointException(file + ": cannot be read: " + Quote.line(e.toString()), e);
    }
    return result;
  }

  /** The tensors by name, in the order of the header. */
  Map<String, StoredTensor> tensors() {
    return tensors;
  }

  /** The texts of {@code __metadata__}. */
  Map<String, String> metadata() {
    return metadata;
  }

  /** The byte of the file at which a tensor starts. */
  long offset(String tensor) {
    return Objects.requireNonNull(offsets.get(tensor), tensor);
  }

  private CheckpointException error(String what) {
    return new CheckpointException(file + ": " + what);
  }

  private CheckpointException error(String tensor, String what) {
    return error("tensor " + Quote.name(tensor) + " " + what);
  }

  private void read(MemorySegment bytes, OpenFiles files) throws IOException {
    long headerBytes = bytes.get(U64, 0);
    if (headerBytes < 0 || headerBytes > MAX_HEADER_BYTES) {
      throw error(
          "header length is "
              + Long.toUnsignedString(headerBytes)
              + ", but at most "
              + MAX_HEADER_BYTES
              + " bytes are allowed");
    }
    if (headerBytes > bytes.byteSize() - 8) {
      throw error(
          "header length is "
              + headerBytes
              + ", but the file has only "
              + (bytes.byteSize() - 8)
              + " bytes behind it");
    }
    List<Entry> entries = new ArrayList<>();
    try (JsonParser parser =
        Json.FACTORY.createParser(new BufferStream(bytes.asSlice(8, headerBytes).asByteBuffer()))) {
      readHeader(parser, entries);
    }
    MemorySegment data = bytes.asSlice(8 + headerBytes);
    checkCoverage(entries, data.byteSize());
    for (Entry entry : entries) {
      offsets.put(entry.name, 8 + headerBytes + entry.begin);
      MemorySegment segment = data.asSlice(entry.begin, entry.end - entry.begin);
      tensors.put(
          entry.name,
          new StoredTensor(
              entry.name, file, entry.type, entry.shape, aligned(segment, entry, files)));
    }
  }

  /**
   * The header may have any length, so a tensor may start at an address that is no multiple of its
   * element's size.
   */
  private MemorySegment aligned(MemorySegment segment, Entry entry, OpenFiles files) {
    try {
      return files.aligned(segment, entry.type);
    } catch (OutOfMemoryError e) {
      throw error(
          entry.name,
          "is not aligned, and there is no memory for a copy of " + segment.byteSize() + " bytes");
    }
  }

  private void readHeader(JsonParser parser, List<Entry> entries) throws IOException {
    if (parser.nextToken() != JsonToken.START_OBJECT) {
      throw error("header does not hold a JSON object");
    }
    while (parser.nextToken() != JsonToken.END_OBJECT) {
      String name = parser.currentName();
      JsonToken value = parser.nextToken();
      boolean isObject = value == JsonToken.START_OBJECT;
      if (name.equals("__metadata__")) {
        if (isObject) {
          readMetadata(parser);
        } else if (value != JsonToken.VALUE_NULL) { // null is none, as in the reference
          throw error("header key '__metadata__' is not an object");
        }
      } else if (!isObject) {
        throw error(name, "is not described by an object");
      } else {
        entries.add(readEntry(parser, name));
      }
    }
    if (parser.nextToken() != null) {
      throw error("header goes on after its JSON object");
    }
  }

  private void readMetadata(JsonParser parser) throws IOException {
    while (parser.nextToken() != JsonToken.END_OBJECT) {
      String key = parser.currentName();
      if (parser.nextToken() != JsonToken.VALUE_STRING) {
        throw error("header key '__metadata__' has " + Quote.name(key) + ", which is not a text");
      }
      metadata.put(key, parser.getText());
    }
  }

  private Entry readEntry(JsonParser parser, String name) throws IOException {
    StoredType type = null;
    List<Long> shape = null;
    List<Long> offsets = null;
    while (parser.nextToken() != JsonToken.END_OBJECT) {
      String key = parser.currentName();
      parser.nextToken();
      switch (key) {
        case "dtype" -> type = readType(parser, name);
        case "shape" -> shape = readNumbers(parser, name, key);
        case "data_offsets" -> offsets = readNumbers(parser, name, key);
        default -> throw error(name, "has " + Quote.name(key) + ", which the format does not know");
      }
    }
    if (type == null || shape == null || offsets == null) {
      throw error(name, "lacks one of dtype, shape, data_offsets");
    }
    if (offsets.size() != 2) {
      throw error(name, "has data_offsets " + offsets + ", but must have two of them");
    }
    long elements = 1;
    long bytes;
    try {
      for (long dimension : shape) {
        elements = Math.multiplyExact(elements, dimension);
      }
      bytes = type.bytes(elements);
    } catch (ArithmeticException e) {
      throw error(name, "has shape " + shape + " of " + type + ", whose size overflows");
    }
    if (elements % type.blockElements() != 0) {
      throw error(
          name, "has shape " + shape + " of " + type + ", which does not end with a whole byte");
    }
    long begin = offsets.get(0);
    long end = offsets.get(1);
    if (end < begin || end - begin != bytes) {
      throw error(
          name,
          "has data_offsets "
              + offsets
              + ", but shape "
              + shape
              + " of "
              + type
              + " needs "
              + bytes
              + " bytes");
    }
    return new Entry(name, type, shape, begin, end);
  }

  private StoredType readType(JsonParser parser, String name) throws IOException {
    if (parser.currentToken() != JsonToken.VALUE_STRING) {
      throw error(name, "has a dtype that is not a text");
    }
    String text = parser.getText();
    return StoredType.named(text)
        .orElseThrow(
            () ->
                error(
                    name,
                    "has dtype "
                        + Quote.name(text)
                        + ", but must have one of "
                        + StoredType.safetensorsNames()));
  }

  private List<Long> readNumbers(JsonParser parser, String name, String key) throws IOException {
    if (parser.currentToken() != JsonToken.START_ARRAY) {
      throw error(name, "has a " + key + " that is not a list");
    }
    List<Long> numbers = new ArrayList<>();
    while (parser.nextToken() != JsonToken.END_ARRAY) {
      if (parser.currentToken() != JsonToken.VALUE_NUMBER_INT
          || parser.getNumberType() == JsonParser.NumberType.BIG_INTEGER
          || parser.getLongValue() < 0) {
        throw error(
            name,
            "has "
                + Quote.name(parser.getText())
                + " in its "
                + key
                + ", but must have whole numbers from 0 to 2^63 - 1");
      }
      numbers.add(parser.getLongValue());
      if (numbers.size() > MAX_RANK) {
        throw error(name, "has more than " + MAX_RANK + " numbers in its " + key);
      }
    }
    return numbers;
  }

  /** The format demands that the tensors cover the data exactly. */
  private void checkCoverage(List<Entry> entries, long dataBytes) {
    List<Entry> sorted = new ArrayList<>(entries);
    sorted.sort(Comparator.comparingLong(Entry::begin).thenComparingLong(Entry::end));
    long covered = 0;
    Entry previous = null;
    for (Entry entry : sorted) {
      if (entry.end > dataBytes) {
        throw error(
            entry.name,
            "has data_offsets ["
                + entry.begin
                + ", "
                + entry.end
                + "], but the file has only "
                + dataBytes
                + " bytes of data");
      }
      if (previous != null && entry.begin < covered) {
        throw error(entry.name, "overlaps tensor " + Quote.name(previous.name));
      }
      if (entry.begin > covered) {
        throw error(
            entry.name,
            "starts at "
                + entry.begin
                + ", but the tensors before it end at "
                + covered
                + "; the format allows no gap");
      }
      covered = entry.end;
      previous = entry;
    }
    if (covered != dataBytes) {
      throw error(
          "has "
              + dataBytes
              + " bytes of data, but its tensors end at "
              + covered
              + "; the format allows no gap");
    }
  }

  /** The header as a stream, without a copy. */
  private static final class BufferStream extends InputStream {
    private final ByteBuffer buffer;

    BufferStream(ByteBuffer buffer) {
      this.buffer = buffer;
    }

    @Override
    public int read() {
      return buffer.hasRemaining() ? buffer.get() & 0xFF : -1;
    }

    @Override
    public int read(byte[] bytes, int offset, int length) {
      if (length == 0) {
        return 0;
      }
      int count = Math.min(length, buffer.remaining());
      if (count == 0) {
        return -1;
      }
      buffer.get(bytes, offset, count);
      return count;
    }
  }
}

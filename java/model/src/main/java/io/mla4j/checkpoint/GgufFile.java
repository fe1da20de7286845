package io.mla4j.checkpoint;

import io.mla4j.checkpoint.GgufMetadata.Value;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * One GGUF file of version 2 or 3, mapped: magic, counts, keys with values, what tensors there are,
 * their data.
 *
 * <p>Everything that the format demands is checked before a tensor is handed out: each lies inside
 * the file, begins at a multiple of the alignment, has rows of whole blocks, and none overlaps
 * another.
 */
final class GgufFile {
  private static final int MAGIC = 0x46554747; // GGUF
  private static final long MAX_KEYS = 1 << 16;
  private static final long MAX_TENSORS = 1 << 17;
  private static final int MAX_KEY_BYTES = (1 << 16) - 1;
  private static final int MAX_NAME_BYTES = 1024;
  private static final int MAX_RANK = 4;
  private static final String ALIGNMENT = "general.alignment";

  private static final ValueLayout.OfLong U64 =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfInt U32 =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private final Path file;
  private final OpenFiles files;
  private final MemorySegment bytes;
  private final Map<String, StoredTensor> tensors = new LinkedHashMap<>();
  private @Nullable GgufMetadata metadata;
  private long at;

  /** A tensor before it is checked against its neighbours. */
  private record Entry(String name, StoredType type, List<Long> shape, long offset, long size) {}

  private GgufFile(Path file, OpenFiles files, MemorySegment bytes) {
    this.file = file;
    this.files = files;
    this.bytes = bytes;
  }

  /**
   * Maps {@code file} until {@code files} close.
   *
   * @throws CheckpointException naming the file and the key or tensor that breaks the format
   */
  static GgufFile map(Path file, OpenFiles files) {
    Json.requireFile(file);
    try {
      GgufFile result = new GgufFile(file, files, files.map(file));
      result.read();
      return result;
    } catch (InternalError e) {
      throw files.unreadable(e);
    } catch (IOException e) {
      throw new CheckpointException(file + ": cannot be read: " + Quote.line(e.toString()), e);
    }
  }

  /** The keys. */
  GgufMetadata metadata() {
    return Objects.requireNonNull(metadata, "the keys are read first");
  }

  /** The tensors by name, in the order of the file. */
  Map<String, StoredTensor> tensors() {
    return tensors;
  }

  private CheckpointException error(String what) {
    return new CheckpointException(file + ": " + what);
  }

  private CheckpointException error(String tensor, String what) {
    return error("tensor " + Quote.name(tensor) + " " + what);
  }

  private void read() {
    if (bytes.byteSize() < 24) {
      throw error(
          "is truncated: it has " + bytes.byteSize() + " bytes, but at least 24 are needed");
    }
    int magic = u32("magic");
    if (magic != MAGIC) {
      throw error("begins with " + Integer.toHexString(magic) + ", but must begin with GGUF");
    }
    int version = u32("version");
    if (version != 2 && version != 3) {
      throw error(
          "has version "
              + Integer.toUnsignedString(version)
              + ", but must have 2 or 3"
              + ((version & 0xFFFF) == 0 ? ": files of big-endian machines are not read" : ""));
    }
    // a tensor takes at least 8 bytes of name, 4 of rank, 4 of type and 8 of offset
    long tensorCount = count("tensor count", 24, MAX_TENSORS);
    long keyCount = count("key count", 8 + 4 + 1, MAX_KEYS);
    metadata = new GgufMetadata(file, files, readKeys(keyCount));
    List<Entry> entries = new ArrayList<>();
    Set<String> names = new HashSet<>();
    for (long i = 0; i < tensorCount; i++) {
      Entry entry = readTensor(i);
      if (!names.add(entry.name)) {
        throw error(entry.name, "is there twice");
      }
      entries.add(entry);
    }
    long dataAt = dataAt();
    checkPlaces(entries, dataAt);
    for (Entry entry : entries) {
      tensors.put(
          entry.name,
          new StoredTensor(entry.name, file, entry.type, entry.shape, segment(entry, dataAt)));
    }
  }

  private Map<String, Value> readKeys(long count) {
    Map<String, Value> values = new LinkedHashMap<>();
    for (long i = 0; i < count; i++) {
      String key = text("key " + i, MAX_KEY_BYTES);
      if (values.put(key, readValue("key " + Quote.name(key))) != null) {
        throw error("key " + Quote.name(key) + " is there twice");
      }
    }
    return values;
  }

  private Value readValue(String key) {
    GgufType type = readType(key);
    if (type != GgufType.ARRAY) {
      return new Value(type, -1, skip(key, type, 1));
    }
    GgufType elements = readType(key);
    if (elements == GgufType.ARRAY) {
      throw error(key + " is an array of arrays, which is not supported");
    }
    long count = count(key, elements.leastBytes(), Long.MAX_VALUE);
    return new Value(elements, count, skip(key, elements, count));
  }

  private GgufType readType(String key) {
    int id = u32(key);
    GgufType[] types = GgufType.values();
    if (id < 0 || id >= types.length) {
      throw error(
          key
              + " has a value of type "
              + Integer.toUnsignedString(id)
              + ", but types are 0.."
              + (types.length - 1));
    }
    return types[id];
  }

  /** Steps over values, which must lie in the file; a flag must be one. */
  private MemorySegment skip(String key, GgufType type, long count) {
    long start = at;
    if (type == GgufType.STRING) {
      for (long i = 0; i < count; i++) {
        long length = u64(key);
        take(key, length);
      }
    } else {
      take(key, count * type.leastBytes());
    }
    MemorySegment values = bytes.asSlice(start, at - start);
    if (type == GgufType.BOOL) {
      for (long i = 0; i < count; i++) {
        int flag = values.get(ValueLayout.JAVA_BYTE, i);
        if (flag != 0 && flag != 1) {
          throw error(key + " has " + (flag & 0xFF) + " for a flag, but must have 0 or 1");
        }
      }
    }
    return values;
  }

  private Entry readTensor(long index) {
    String name = text("name of tensor " + index, MAX_NAME_BYTES);
    String what = "tensor " + Quote.name(name);
    int rank = u32(what);
    if (rank < 1 || rank > MAX_RANK) {
      throw error(
          name,
          "has " + Integer.toUnsignedString(rank) + " dimensions, but must have 1 to " + MAX_RANK);
    }
    List<Long> shape = new ArrayList<>();
    long elements = 1;
    for (int i = 0; i < rank; i++) {
      long dimension = u64(what);
      if (dimension <= 0) {
        throw error(
            name,
            "has a dimension of "
                + Long.toUnsignedString(dimension)
                + ", but must have at least 1 and less than 2^63");
      }
      shape.addFirst(dimension); // the file has the contiguous one first
      try {
        elements = Math.multiplyExact(elements, dimension);
      } catch (ArithmeticException e) {
        throw error(name, "has dimensions whose product overflows");
      }
    }
    int id = u32(what);
    StoredType type =
        StoredType.ofGguf(id)
            .orElseThrow(
                () ->
                    error(
                        name, "has type " + Integer.toUnsignedString(id) + ", which is not known"));
    if (shape.getLast() % type.blockElements() != 0) {
      throw error(
          name,
          "has rows of "
              + shape.getLast()
              + " elements, which are no whole blocks of "
              + type.blockElements()
              + " as "
              + type
              + " has them");
    }
    long offset = u64(what);
    try {
      return new Entry(name, type, shape, offset, type.bytes(elements));
    } catch (ArithmeticException e) {
      throw error(name, "has shape " + shape + " of " + type + ", whose size overflows");
    }
  }

  /** Where the data begin. */
  private long dataAt() {
    long alignment = alignment();
    long start = (at + alignment - 1) / alignment * alignment;
    return Math.min(start, bytes.byteSize());
  }

  private int alignment() {
    int alignment = metadata().wholeNumber(ALIGNMENT, 0, Integer.MAX_VALUE).orElse(32);
    if (Integer.bitCount(alignment) != 1) {
      throw metadata().error(ALIGNMENT, "is " + alignment + ", but must be a power of two");
    }
    return alignment;
  }

  private void checkPlaces(List<Entry> entries, long dataAt) {
    long alignment = alignment();
    long available = bytes.byteSize() - dataAt;
    List<Entry> sorted = new ArrayList<>(entries);
    sorted.sort(Comparator.comparingLong(Entry::offset).thenComparingLong(Entry::size));
    Entry previous = null;
    for (Entry entry : sorted) {
      if (entry.offset < 0 || entry.offset % alignment != 0) {
        throw error(
            entry.name,
            "begins at "
                + Long.toUnsignedString(entry.offset)
                + ", but must begin at a multiple of "
                + alignment);
      }
      if (entry.size > available || entry.offset > available - entry.size) {
        throw error(
            entry.name,
            "has "
                + entry.size
                + " bytes from "
                + entry.offset
                + " on, but the file has only "
                + available
                + " bytes of data: it is truncated");
      }
      if (previous != null && entry.offset < previous.offset + previous.size) {
        throw error(entry.name, "overlaps tensor " + Quote.name(previous.name));
      }
      previous = entry;
    }
  }

  private MemorySegment segment(Entry entry, long dataAt) {
    MemorySegment segment = bytes.asSlice(dataAt + entry.offset, entry.size);
    try {
      return files.aligned(segment, entry.type);
    } catch (OutOfMemoryError e) {
      throw error(entry.name, "is not aligned, and there is no memory for a copy of " + entry.size);
    }
  }

  /** A count of things of which each takes at least {@code least} bytes of the file's rest. */
  private long count(String what, int least, long max) {
    long count = u64(what);
    long rest = bytes.byteSize() - at;
    if (count < 0 || count > rest / least) {
      throw error(
          what
              + " has a count of "
              + Long.toUnsignedString(count)
              + ", but only "
              + rest
              + " bytes of the file are left");
    }
    if (count > max) {
      throw error(what + " is " + count + ", but must be at most " + max);
    }
    return count;
  }

  private String text(String what, int max) {
    long length = u64(what);
    if (length > max) {
      throw error(what + " has " + length + " bytes, but must have at most " + max);
    }
    long start = at;
    take(what, length);
    byte[] text = bytes.asSlice(start, length).toArray(ValueLayout.JAVA_BYTE);
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(text)).toString();
    } catch (CharacterCodingException e) {
      throw error(what + " is not valid UTF-8");
    }
  }

  private int u32(String what) {
    long start = at;
    take(what, 4);
    return bytes.get(U32, start);
  }

  private long u64(String what) {
    long start = at;
    take(what, 8);
    return bytes.get(U64, start);
  }

  private void take(String what, long count) {
    if (count < 0 || count > bytes.byteSize() - at) {
      throw error(
          what
              + " needs "
              + Long.toUnsignedString(count)
              + " bytes at "
              + at
              + ", but the file has only "
              + (bytes.byteSize() - at)
              + " left: it is truncated");
    }
    at += count;
  }
}

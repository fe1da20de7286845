package io.mla4j.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import io.mla4j.ClosedException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The keys of a GGUF file, read with type and range. Values stay in the mapped file until somebody
 * asks for them, so the vocabulary costs nothing where it is not used.
 *
 * <p>An absent key is an empty answer; one of another type is a {@link CheckpointException} that
 * names file and key. Thread-safe; alive as long as its {@link Checkpoint}.
 */
public final class GgufMetadata {
  private static final JsonNodeFactory NODES = JsonNodeFactory.instance;
  private static final long MAX_JSON = 1 << 16;
  private static final ValueLayout.OfLong U64 =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfInt U32 =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfShort U16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private final Path file;
  private final OpenFiles files;
  private final Map<String, Value> values;

  /**
   * Where a value lies.
   *
   * @param type of the value, or of each element of an array
   * @param count of elements, or -1 where it is no array
   * @param bytes of the value: from the first element to the last
   */
  record Value(GgufType type, long count, MemorySegment bytes) {
    boolean isArray() {
      return count >= 0;
    }

    @Override
    public String toString() {
      return isArray() ? "an array of " + type : type.toString();
    }
  }

  GgufMetadata(Path file, OpenFiles files, Map<String, Value> values) {
    this.file = file;
    this.files = files;
    this.values = Collections.unmodifiableMap(values);
  }

  /** The file, the first one where there are several. */
  public Path file() {
    return file;
  }

  /** Every key, in the order of the file. */
  public Set<String> keys() {
    return values.keySet();
  }

  /** Where the value of a key that is there lies. */
  Value value(String key) {
    return Objects.requireNonNull(values.get(key), key);
  }

  /** Whether the file says something about {@code key}. */
  public boolean has(String key) {
    return values.containsKey(key);
  }

  /** An exception that names the file and the key: {@code what} completes the sentence. */
  public CheckpointException error(String key, String what) {
    return new CheckpointException(file + ": key " + Quote.name(key) + " " + what);
  }

  /** A text. */
  public Optional<String> text(String key) {
    return scalar(key, "a text", GgufType.STRING)
        .map(value -> read(() -> decode(key, value.bytes.asSlice(8))));
  }

  /** A whole number, of any width, in {@code low..high}. */
  public OptionalInt wholeNumber(String key, int low, int high) {
    Value value = values.get(key);
    if (value == null) {
      return OptionalInt.empty();
    }
    if (value.isArray() || !value.type.isWholeNumber()) {
      throw error(key, "is " + value + ", but must be a whole number");
    }
    BigInteger number = read(() -> whole(value.type, value.bytes, 0));
    if (number.compareTo(BigInteger.valueOf(low)) < 0
        || number.compareTo(BigInteger.valueOf(high)) > 0) {
      throw error(key, "is " + number + ", but must be a whole number in " + low + ".." + high);
    }
    return OptionalInt.of(number.intValueExact());
  }

  /** Whether something holds. */
  public Optional<Boolean> flag(String key) {
    return scalar(key, "true or false", GgufType.BOOL)
        .map(value -> read(() -> value.bytes.get(ValueLayout.JAVA_BYTE, 0) != 0));
  }

  /** The number of elements of an array. */
  public OptionalInt length(String key) {
    Value value = values.get(key);
    return value == null ? OptionalInt.empty() : OptionalInt.of(length(key, value));
  }

  /** An array of texts. */
  public Optional<List<String>> texts(String key) {
    return array(key, "texts", GgufType.STRING)
        .map(
            value -> {
              int count = length(key, value);
              return read(() -> decodeAll(key, value, count));
            });
  }

  /** An array of FLOAT32. */
  public Optional<float[]> floats(String key) {
    return array(key, "FLOAT32", GgufType.FLOAT32)
        .map(value -> read(() -> value.bytes.toArray(floats())));
  }

  /** An array of INT32 or UINT32. */
  public Optional<int[]> ints(String key) {
    return array(key, "INT32", GgufType.INT32, GgufType.UINT32)
        .map(value -> read(() -> value.bytes.toArray(U32)));
  }

  /** An array of bytes. */
  public Optional<byte[]> bytes(String key) {
    return array(key, "INT8 or UINT8", GgufType.INT8, GgufType.UINT8)
        .map(value -> read(() -> value.bytes.toArray(ValueLayout.JAVA_BYTE)));
  }

  private static ValueLayout.OfFloat floats() {
    return ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  }

  /** Scalars and arrays of numbers, texts and flags in the words of JSON, or null. */
  @Nullable JsonNode json(String key) {
    Value value = values.get(key);
    if (value == null) {
      return null;
    }
    return read(
        () -> {
          if (!value.isArray()) {
            return json(key, value, 0);
          }
          if (value.count > MAX_JSON) {
            throw error(key, "has " + value.count + " elements, but must have at most " + MAX_JSON);
          }
          ArrayNode array = NODES.arrayNode();
          if (value.type == GgufType.STRING) {
            decodeAll(key, value, length(key, value)).forEach(array::add);
          } else {
            for (long i = 0; i < length(key, value); i++) {
              array.add(json(key, value, i * value.type.leastBytes()));
            }
          }
          return array;
        });
  }

  private JsonNode json(String key, Value value, long at) {
    return switch (value.type) {
      case STRING -> NODES.textNode(decode(key, value.bytes.asSlice(8)));
      case BOOL -> NODES.booleanNode(value.bytes.get(ValueLayout.JAVA_BYTE, at) != 0);
      // the number that was meant: 0.1 of a float32 is not that of a double
      case FLOAT32 ->
          NODES.numberNode(Double.parseDouble(Float.toString(value.bytes.get(floats(), at))));
      case FLOAT64 ->
          NODES.numberNode(
              value.bytes.get(
                  ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), at));
      case ARRAY -> throw new AssertionError("arrays of arrays are refused when a file is opened");
      default -> {
        BigInteger number = whole(value.type, value.bytes, at);
        yield number.bitLength() < 32
            ? NODES.numberNode(number.intValue())
            : NODES.numberNode(number);
      }
    };
  }

  private Optional<Value> scalar(String key, String what, GgufType type) {
    Value value = values.get(key);
    if (value != null && (value.isArray() || value.type != type)) {
      throw error(key, "is " + value + ", but must be " + what);
    }
    return Optional.ofNullable(value);
  }

  private Optional<Value> array(String key, String what, GgufType... types) {
    Value value = values.get(key);
    if (value != null && (!value.isArray() || !List.of(types).contains(value.type))) {
      throw error(key, "is " + value + ", but must be an array of " + what);
    }
    return Optional.ofNullable(value);
  }

  private int length(String key, Value value) {
    if (!value.isArray()) {
      throw error(key, "is " + value + ", but must be an array");
    }
    if (value.count > Integer.MAX_VALUE - 8) {
      throw error(key, "has " + value.count + " elements, which is too many");
    }
    return (int) value.count;
  }

  private List<String> decodeAll(String key, Value value, int count) {
    List<String> texts = new ArrayList<>(count);
    long at = 0;
    for (int i = 0; i < count; i++) {
      long bytes = value.bytes.get(U64, at);
      texts.add(decode(key, value.bytes.asSlice(at + 8, bytes)));
      at += 8 + bytes;
    }
    return texts;
  }

  private String decode(String key, MemorySegment bytes) {
    try {
      ByteBuffer buffer = ByteBuffer.wrap(bytes.toArray(ValueLayout.JAVA_BYTE));
      return StandardCharsets.UTF_8.newDecoder().decode(buffer).toString();
    } catch (CharacterCodingException e) {
      throw error(key, "is not valid UTF-8");
    } catch (OutOfMemoryError e) {
      throw error(key, "has " + bytes.byteSize() + " bytes, for which there is no memory");
    }
  }

  private static BigInteger whole(GgufType type, MemorySegment bytes, long at) {
    return switch (type) {
      case UINT8 -> BigInteger.valueOf(bytes.get(ValueLayout.JAVA_BYTE, at) & 0xFF);
      case INT8 -> BigInteger.valueOf(bytes.get(ValueLayout.JAVA_BYTE, at));
      case UINT16 -> BigInteger.valueOf(bytes.get(U16, at) & 0xFFFF);
      case INT16 -> BigInteger.valueOf(bytes.get(U16, at));
      case UINT32 -> BigInteger.valueOf(Integer.toUnsignedLong(bytes.get(U32, at)));
      case INT32 -> BigInteger.valueOf(bytes.get(U32, at));
      case UINT64 -> new BigInteger(Long.toUnsignedString(bytes.get(U64, at)));
      default -> BigInteger.valueOf(bytes.get(U64, at));
    };
  }

  /** Reads the mapped file. */
  private <T> T read(Supplier<T> reading) {
    try {
      return reading.get();
    } catch (IllegalStateException e) {
      if (files.isOpen()) {
        throw e;
      }
      throw new ClosedException(file + " is closed");
    } catch (InternalError e) {
      throw files.unreadable(e);
    }
  }
}

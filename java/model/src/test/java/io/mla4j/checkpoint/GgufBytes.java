package io.mla4j.checkpoint;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The bytes of a GGUF file, put together without a check, so that tests may write what is wrong.
 */
public final class GgufBytes {
  private final ByteArrayOutputStream keys = new ByteArrayOutputStream();
  private final ByteArrayOutputStream infos = new ByteArrayOutputStream();
  private final ByteArrayOutputStream data = new ByteArrayOutputStream();
  private final List<Long> counts = new ArrayList<>(List.of(0L, 0L));
  private int magic = 0x46554747;
  private int version = 3;
  private int alignment = 32;

  public GgufBytes magic(int to) {
    magic = to;
    return this;
  }

  public GgufBytes version(int to) {
    version = to;
    return this;
  }

  /** The alignment of the data, which the file does not say. */
  public GgufBytes alignment(int to) {
    alignment = to;
    return this;
  }

  /** Other counts of tensors and keys than there are. */
  public GgufBytes counts(long tensors, long keyCount) {
    counts.set(0, tensors);
    counts.set(1, keyCount);
    return this;
  }

  /** A key with its value's bytes as they are. */
  public GgufBytes raw(String key, int type, byte[] value) {
    return raw(key.getBytes(StandardCharsets.UTF_8), type, value);
  }

  /** A key that may be no text. */
  public GgufBytes raw(byte[] key, int type, byte[] value) {
    write(keys, u64(key.length), key, u32(type), value);
    counts.set(1, counts.get(1) + 1);
    return this;
  }

  public GgufBytes text(String key, String value) {
    return raw(key, GgufType.STRING.ordinal(), text(value));
  }

  public GgufBytes u32(String key, int value) {
    return raw(key, GgufType.UINT32.ordinal(), u32(value));
  }

  public GgufBytes f32(String key, float value) {
    return raw(key, GgufType.FLOAT32.ordinal(), u32(Float.floatToRawIntBits(value)));
  }

  public GgufBytes flag(String key, boolean value) {
    return raw(key, GgufType.BOOL.ordinal(), new byte[] {(byte) (value ? 1 : 0)});
  }

  /** An array of elements whose bytes are given. */
  public GgufBytes array(String key, int elementType, long count, byte[]... elements) {
    ByteArrayOutputStream value = new ByteArrayOutputStream();
    write(value, u32(elementType), u64(count));
    write(value, elements);
    return raw(key, GgufType.ARRAY.ordinal(), value.toByteArray());
  }

  public GgufBytes texts(String key, String... values) {
    byte[][] elements = new byte[values.length][];
    for (int i = 0; i < values.length; i++) {
      elements[i] = text(values[i]);
    }
    return array(key, GgufType.STRING.ordinal(), values.length, elements);
  }

  /** A tensor behind those before it; dimensions as in the file, the contiguous one first. */
  public GgufBytes tensor(String name, int type, byte[] bytes, long... dimensions) {
    int padding = Math.floorMod(-data.size(), alignment);
    write(data, new byte[padding]);
    info(name, type, data.size(), dimensions);
    write(data, bytes);
    return this;
  }

  /** What the file says about a tensor, without data. */
  public GgufBytes info(String name, int type, long offset, long... dimensions) {
    write(infos, text(name), u32(dimensions.length));
    for (long dimension : dimensions) {
      write(infos, u64(dimension));
    }
    write(infos, u32(type), u64(offset));
    counts.set(0, counts.get(0) + 1);
    return this;
  }

  public byte[] bytes() {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    write(all, u32(magic), u32(version), u64(counts.get(0)), u64(counts.get(1)));
    write(all, keys.toByteArray(), infos.toByteArray());
    write(all, new byte[Math.floorMod(-all.size(), alignment)], data.toByteArray());
    return all.toByteArray();
  }

  public Path write(Path file) {
    try {
      return Files.write(file, bytes());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  public static byte[] u32(int value) {
    return ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(value).array();
  }

  public static byte[] u64(long value) {
    return ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array();
  }

  public static byte[] text(String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    return ByteBuffer.allocate(8 + bytes.length)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putLong(bytes.length)
        .put(bytes)
        .array();
  }

  public static byte[] floats(float... values) {
    ByteBuffer buffer = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    for (float value : values) {
      buffer.putFloat(value);
    }
    return buffer.array();
  }

  private static void write(ByteArrayOutputStream to, byte[]... parts) {
    for (byte[] part : parts) {
      to.writeBytes(part);
    }
  }
}

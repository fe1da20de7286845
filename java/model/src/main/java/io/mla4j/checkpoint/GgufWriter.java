package io.mla4j.checkpoint;

import io.mla4j.InvalidArgumentException;
import io.mla4j.ops.StorageFormat;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.LongConsumer;

/**
 * Writes a GGUF file, version 3: keys and tensors are named first, then everything is written as
 * {@link OutputFile} does it. Rows are read and rounded by some threads, a few megabytes at a time,
 * and written in their order, so a model of any size needs little memory. Belongs to one thread.
 */
final class GgufWriter {
  private static final int VERSION = 3;
  private static final int ALIGNMENT = 32;

  private final Buffer keys = new Buffer();
  private final Set<String> names = new HashSet<>();
  private final List<Entry> tensors = new ArrayList<>();
  private long keyCount;

  /** A tensor to be written. */
  private record Entry(String name, StoredType type, List<Long> shape, RowSource rows) {
    long bytes() {
      return rows.rows() * type.bytes(rows.columns());
    }
  }

  /** Little-endian bytes. */
  private static final class Buffer extends ByteArrayOutputStream {
    Buffer i32(int value) {
      writeBytes(ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(value).array());
      return this;
    }

    Buffer i64(long value) {
      writeBytes(ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array());
      return this;
    }

    Buffer text(String value) {
      byte[] bytes = value.getBytes(StandardCharsets.UTF_8);
      i64(bytes.length).writeBytes(bytes);
      return this;
    }

    void pad() {
      while (size() % ALIGNMENT != 0) {
        write(0);
      }
    }
  }

  private Buffer key(String name, GgufType type) {
    if (!names.add(name)) {
      throw new InvalidArgumentException("key " + Quote.name(name) + " is taken");
    }
    keyCount++;
    return keys.text(name).i32(type.ordinal());
  }

  private Buffer array(String name, GgufType type, long count) {
    return key(name, GgufType.ARRAY).i32(type.ordinal()).i64(count);
  }

  /** Adds a text. */
  GgufWriter put(String name, String value) {
    key(name, GgufType.STRING).text(value);
    return this;
  }

  /** Adds a UINT32. */
  GgufWriter put(String name, int value) {
    key(name, GgufType.UINT32).i32(value);
    return this;
  }

  /** Adds a FLOAT32. */
  GgufWriter put(String name, float value) {
    key(name, GgufType.FLOAT32).i32(Float.floatToRawIntBits(value));
    return this;
  }

  /** Adds a BOOL. */
  GgufWriter put(String name, boolean value) {
    key(name, GgufType.BOOL).write(value ? 1 : 0);
    return this;
  }

  /** Adds an array of texts. */
  GgufWriter put(String name, List<String> values) {
    Buffer to = array(name, GgufType.STRING, values.size());
    values.forEach(to::text);
    return this;
  }

  /** Adds an array of INT32. */
  GgufWriter put(String name, int[] values) {
    Buffer to = array(name, GgufType.INT32, values.length);
    for (int value : values) {
      to.i32(value);
    }
    return this;
  }

  /** Adds the keys of another file that begin with {@code prefix}. */
  GgufWriter copy(GgufMetadata from, String prefix) {
    for (String name : from.keys()) {
      if (name.startsWith(prefix)) {
        GgufMetadata.Value value = from.value(name);
        Buffer to =
            value.isArray() ? array(name, value.type(), value.count()) : key(name, value.type());
        to.writeBytes(value.bytes().toArray(ValueLayout.JAVA_BYTE));
      }
    }
    return this;
  }

  /**
   * Adds a tensor.
   *
   * @param shape with the rows' elements last
   * @throws InvalidArgumentException where the name is taken
   */
  GgufWriter tensor(String name, StoredType type, List<Long> shape, RowSource rows) {
    if (tensors.stream().anyMatch(other -> other.name.equals(name))) {
      throw new InvalidArgumentException("tensor " + Quote.name(name) + " is taken");
    }
    tensors.add(new Entry(name, type, shape, rows));
    return this;
  }

  /** Bytes that will be read. */
  long bytesToRead() {
    return tensors.stream().mapToLong(entry -> entry.rows.bytes()).sum();
  }

  /**
   * Writes the file, in place of what it had.
   *
   * @param threads that read and round
   * @param progress is told how many bytes were read since it was called last
   * @throws io.mla4j.Mla4jException naming the file where it cannot be written; the old one stays
   */
  void write(Path file, int threads, LongConsumer progress) {
    OutputFile.write(file, channel -> writeTo(channel, threads, progress));
  }

  private void writeTo(WritableByteChannel channel, int threads, LongConsumer progress)
      throws IOException {
    write(channel, header());
    try (ExecutorService pool = Executors.newFixedThreadPool(threads)) {
      Deque<Future<byte[]>> pending = new ArrayDeque<>();
      try {
        for (Entry entry : tensors) {
          long rows = entry.rows.rows();
          int atOnce = entry.rows.rowsAtOnce();
          for (long first = 0; first < rows; first += atOnce) {
            long from = first;
            int count = (int) Math.min(atOnce, rows - first);
            pending.add(pool.submit(() -> rounded(entry, from, count)));
            if (pending.size() > 2 * threads) {
              write(channel, pending.remove());
            }
          }
          while (!pending.isEmpty()) {
            write(channel, pending.remove());
          }
          write(channel, new byte[(int) (-entry.bytes() & ALIGNMENT - 1)]);
          progress.accept(entry.rows.bytes());
        }
      } finally {
        pending.forEach(task -> task.cancel(true));
      }
    }
  }

  private static byte[] rounded(Entry entry, long first, int count) {
    byte[] stored = entry.rows.stored(entry.type, first, count);
    if (stored != null) {
      return stored;
    }
    int columns = entry.rows.columns();
    float[] values = new float[count * columns];
    entry.rows.read(first, count, values);
    StorageFormat format = entry.type.format().orElseThrow();
    byte[] bytes = new byte[Math.toIntExact(entry.type.bytes(values.length))];
    for (float value : values) {
      if (!Float.isFinite(value)) {
        throw new CheckpointException(
            "tensor "
                + Quote.name(entry.name)
                + " has the value "
                + value
                + ", which is no number");
      }
    }
    format.narrow(values, 0, values.length, MemorySegment.ofArray(bytes), 0);
    return bytes;
  }

  private byte[] header() {
    Buffer header = new Buffer();
    header.writeBytes("GGUF".getBytes(StandardCharsets.US_ASCII));
    header.i32(VERSION).i64(tensors.size()).i64(keyCount).writeBytes(keys.toByteArray());
    long offset = 0;
    for (Entry entry : tensors) {
      header.text(entry.name).i32(entry.shape.size());
      for (long size : entry.shape.reversed()) {
        header.i64(size);
      }
      header.i32(entry.type.gguf()).i64(offset);
      offset += entry.bytes() + (-entry.bytes() & ALIGNMENT - 1);
    }
    header.pad();
    return header.toByteArray();
  }

  private static void write(WritableByteChannel channel, Future<byte[]> task) throws IOException {
    try {
      write(channel, task.get());
    } catch (ExecutionException e) {
      if (e.getCause() instanceof RuntimeException cause) {
        throw cause;
      }
      if (e.getCause() instanceof Error cause) {
        throw cause;
      }
      throw new IOException(e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("the thread was interrupted", e);
    }
  }

  private static void write(WritableByteChannel channel, byte[] bytes) throws IOException {
    ByteBuffer buffer = ByteBuffer.wrap(bytes);
    while (buffer.hasRemaining()) {
      channel.write(buffer);
    }
  }
}

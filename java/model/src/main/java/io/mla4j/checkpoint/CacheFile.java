package io.mla4j.checkpoint;

import io.mla4j.InvalidArgumentException;
import io.mla4j.LatentCache;
import io.mla4j.LatentLayout;
import io.mla4j.Sequence;
import io.mla4j.SequenceRows;
import io.mla4j.SequenceRows.Kind;
import io.mla4j.SequenceRows.Part;
import io.mla4j.StateLayout;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Queue;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicReference;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * The cached tokens of a sequence in a safetensors file: {@code ids} (tokens) I32, {@code logits}
 * (vocabulary) F32 after the last of them where they were known, and for each group and layer
 * {@code rows.GROUP.LAYER}, as they lie in the cache: (tokens, elements) of the cache type, or
 * (tokens, bytes) U8 where latents are codes under scales, whose scales are {@code
 * scales.GROUP.LAYER} (tokens, scales); for each layer of a recurrence {@code states.LAYER} F32
 * (heads, elements), its state after the last token. {@code __metadata__} has the version of this
 * format, what the rows are, which model made them, and a CRC-32C of every tensor.
 *
 * <p>Everything is checked before a sequence is handed out. The file is written beside its place,
 * synced and renamed; it is read, never mapped, so one that gets shorter meanwhile is an error like
 * any other.
 */
public final class CacheFile {
  private static final String FORMAT = "mla4j-cache";
  private static final String VERSION = "2";
  private static final String IDS = "ids";
  private static final String LOGITS = "logits";
  private static final String CRC = "crc32c.";
  private static final String MODEL = "model.";

  private CacheFile() {}

  /**
   * What belongs to a sequence and is not in its pages.
   *
   * @param ids its tokens
   * @param logits after the last of them, or null where nobody knows
   */
  public record Text(int[] ids, float @Nullable [] logits) {}

  /**
   * What a file gave.
   *
   * @param sequence has the tokens of the text
   */
  public record Loaded(Sequence sequence, Text text) {}

  /**
   * Writes the file, in place of what it had.
   *
   * @param model what has to be the same where the rows are used again
   * @throws InvalidArgumentException where ids are not as many as the sequence has tokens
   * @throws io.mla4j.Mla4jException naming the file where it cannot be written; the old one stays
   */
  public static void save(Path file, Sequence sequence, Text text, Map<String, String> model) {
    SequenceRows rows = SequenceRows.of(sequence);
    int tokens = text.ids.length;
    if (tokens != rows.tokens()) {
      throw new InvalidArgumentException(
          "ids has " + tokens + " ids, but the sequence has " + rows.tokens() + " tokens");
    }
    OutputFile.check(file);
    SafetensorsWriter writer = new SafetensorsWriter();
    description(rows.cache(), tokens, model).forEach(writer::metadata);
    add(writer, IDS, StoredType.I32, MemorySegment.ofArray(text.ids));
    if (text.logits != null) {
      add(writer, LOGITS, StoredType.F32, MemorySegment.ofArray(text.logits));
    }
    Map<Part, String> sums = new ConcurrentHashMap<>();
    try {
      forEachPart(rows.cache(), part -> sums.put(part, checksum(rows, part)));
    } catch (IOException e) {
      throw new IllegalStateException("a checksum writes nothing", e);
    }
    for (Part part : parts(rows.cache())) {
      writer.metadata(CRC + name(part), Objects.requireNonNull(sums.get(part)));
      writer.add(
          name(part),
          type(rows.cache(), part),
          shape(rows, part),
          c -> rows.read(part, bytes -> writeAll(c, bytes.asByteBuffer())));
    }
    writer.write(file);
  }

  private static void add(
      SafetensorsWriter writer, String name, StoredType type, MemorySegment array) {
    byte[] bytes = array.toArray(ValueLayout.JAVA_BYTE);
    Checksum sum = new Checksum();
    sum.update(ByteBuffer.wrap(bytes));
    writer.metadata(CRC + name, sum.take());
    long elements = bytes.length / type.blockBytes();
    writer.add(name, type, List.of(elements), c -> writeAll(c, ByteBuffer.wrap(bytes)));
  }

  /**
   * How many tokens a file has, by its header alone.
   *
   * @throws CheckpointException naming the file where it cannot be read or has no ids
   */
  public static int tokens(Path file) {
    try (OpenFiles files = new OpenFiles()) {
      return tokens(find(file, SafetensorsFile.map(file, files), IDS));
    }
  }

  private static int tokens(StoredTensor ids) {
    if (ids.type() != StoredType.I32 || ids.shape().size() != 1) {
      throw ids.error("must be a list of I32");
    }
    if (ids.elements() > Integer.MAX_VALUE / Integer.BYTES) {
      throw ids.error("has more tokens than a sequence can have");
    }
    return (int) ids.elements();
  }

  /**
   * A new sequence with what the file has.
   *
   * @param model as {@link #save} was given it
   * @throws CheckpointException naming the file and the key or tensor that is malformed, altered,
   *     missing, or of another model, cache type or version
   * @throws io.mla4j.CacheFullException where the pool has too few free pages; nothing was changed
   */
  public static Loaded load(Path file, LatentCache cache, Map<String, String> model) {
    try (OpenFiles files = new OpenFiles()) {
      SafetensorsFile stored = SafetensorsFile.map(file, files);
      StoredTensor idTensor = find(file, stored, IDS);
      int tokens = tokens(idTensor);
      requireSame(file, stored, cache, tokens, model);
      try (Channels channels = new Channels(file)) {
        Reader reader = new Reader(file, channels, stored);
        int[] ids = reader.read(idTensor).toArray(ValueLayout.JAVA_INT);
        float[] logits =
            stored.tensors().containsKey(LOGITS)
                ? reader.logits(stored.tensors().get(LOGITS))
                : null;
        Sequence sequence =
            SequenceRows.load(
                cache, tokens, rows -> forEachPart(cache, part -> reader.read(rows, part)));
        return new Loaded(sequence, new Text(ids, logits));
      }
    } catch (IOException e) {
      throw new CheckpointException(file + ": cannot be read: " + Quote.line(e.toString()), e);
    }
  }

  /** The file opened for each of several readers: the system reads ahead of every one of them. */
  private static final class Channels implements AutoCloseable {
    final Queue<FileChannel> idle = new ConcurrentLinkedQueue<>();
    private final Queue<FileChannel> all = new ConcurrentLinkedQueue<>();
    private final Path file;

    Channels(Path file) {
      this.file = file;
    }

    FileChannel take() throws IOException {
      FileChannel channel = idle.poll();
      if (channel == null) {
        channel = FileChannel.open(file);
        all.add(channel);
      }
      return channel;
    }

    @Override
    public void close() throws IOException {
      for (FileChannel channel : all) {
        channel.close();
      }
    }
  }

  /** Takes the tensors of a file. */
  private record Reader(Path file, Channels channels, SafetensorsFile stored) {
    /** All of a small one. */
    MemorySegment read(StoredTensor tensor) throws IOException {
      MemorySegment bytes = Arena.ofAuto().allocate(tensor.segment().byteSize(), 8);
      Checksum sum = new Checksum();
      FileChannel channel = channels.take();
      fill(channel, bytes, stored.offset(tensor.name()));
      channels.idle.add(channel);
      sum.update(bytes.asByteBuffer());
      requireSum(tensor, sum);
      return bytes;
    }

    float[] logits(StoredTensor tensor) throws IOException {
      if (tensor.type() != StoredType.F32
          || tensor.shape().size() != 1
          || tensor.elements() > Integer.MAX_VALUE / Float.BYTES) {
        throw tensor.error("must be a list of F32");
      }
      return read(tensor).toArray(ValueLayout.JAVA_FLOAT);
    }

    void read(SequenceRows rows, Part part) throws IOException {
      StoredTensor tensor = find(file, stored, name(part));
      List<Long> shape = shape(rows, part);
      StoredType type = type(rows.cache(), part);
      if (tensor.type() != type || !tensor.shape().equals(shape)) {
        throw tensor.error(
            "is " + tensor.type() + " " + tensor.shape() + ", but must be " + type + " " + shape);
      }
      Checksum sum = new Checksum();
      FileChannel channel = channels.take();
      long[] at = {stored.offset(tensor.name())};
      rows.write(
          part,
          bytes -> {
            fill(channel, bytes, at[0]);
            at[0] += bytes.byteSize();
            sum.update(bytes.asByteBuffer());
          });
      channels.idle.add(channel);
      requireSum(tensor, sum);
    }

    private void requireSum(StoredTensor tensor, Checksum sum) {
      String expected = stored.metadata().get(CRC + tensor.name());
      String actual = sum.take();
      if (!actual.equals(expected)) {
        throw tensor.error(
            "has checksum "
                + actual
                + ", but its header says "
                + Quote.name(String.valueOf(expected))
                + ": the file was altered");
      }
    }

    private void fill(FileChannel channel, MemorySegment bytes, long at) throws IOException {
      ByteBuffer to = bytes.asByteBuffer();
      while (to.hasRemaining()) {
        int count = channel.read(to, at + to.position());
        if (count < 0) {
          throw new CheckpointException(file + ": got shorter while it was read");
        }
      }
    }
  }

  private static StoredTensor find(Path file, SafetensorsFile stored, String name) {
    StoredTensor tensor = stored.tensors().get(name);
    if (tensor == null) {
      throw new CheckpointException(file + ": tensor " + Quote.name(name) + " is missing");
    }
    return tensor;
  }

  /** Every text of the header has to be what the cache and the model would write. */
  private static void requireSame(
      Path file, SafetensorsFile stored, LatentCache cache, int tokens, Map<String, String> model) {
    Map<String, String> actual = stored.metadata();
    Map<String, String> expected = description(cache, tokens, model);
    for (Map.Entry<String, String> entry : expected.entrySet()) {
      String key = entry.getKey();
      if (!entry.getValue().equals(actual.get(key))) {
        throw new CheckpointException(
            file
                + ": key '"
                + key
                + "' is "
                + (actual.containsKey(key) ? Quote.name(actual.get(key)) : "missing")
                + ", but must be "
                + Quote.name(entry.getValue()));
      }
    }
    TreeSet<String> unknown = new TreeSet<>(actual.keySet());
    unknown.removeAll(expected.keySet());
    unknown.removeIf(
        key -> key.startsWith(CRC) && stored.tensors().containsKey(key.substring(CRC.length())));
    TreeSet<String> tensors = new TreeSet<>(stored.tensors().keySet());
    tensors.remove(IDS);
    tensors.remove(LOGITS);
    parts(cache).forEach(part -> tensors.remove(name(part)));
    if (!unknown.isEmpty() || !tensors.isEmpty()) {
      throw new CheckpointException(
          file
              + ": "
              + (unknown.isEmpty()
                  ? "tensor " + Quote.name(tensors.first())
                  : "key " + Quote.name(unknown.first()))
              + " has no place in a file of cached tokens");
    }
  }

  private static Map<String, String> description(
      LatentCache cache, int tokens, Map<String, String> model) {
    Map<String, String> texts = new LinkedHashMap<>();
    texts.put("format", FORMAT);
    texts.put("version", VERSION);
    model.forEach((key, value) -> texts.put(MODEL + key, value));
    texts.put("tokens", Integer.toString(tokens));
    texts.put("groups", Integer.toString(cache.groups()));
    for (int group = 0; group < cache.groups(); group++) {
      LatentLayout layout = cache.layout(group);
      String key = "group." + group + ".";
      texts.put(key + "cache_type", layout.type().name());
      texts.put(key + "format", layout.type().format().name());
      texts.put(key + "layers", Integer.toString(cache.layers(group)));
      texts.put(key + "latent", Integer.toString(layout.latent()));
      texts.put(key + "rope", Integer.toString(layout.rope()));
      texts.put(key + "rope_offset_bytes", Long.toString(layout.ropeOffsetBytes()));
      texts.put(key + "row_bytes", Long.toString(layout.rowStrideBytes()));
      texts.put(key + "scales", Integer.toString(layout.scales()));
    }
    texts.put("state_layers", Integer.toString(cache.stateLayers()));
    if (cache.stateLayers() > 0) {
      texts.put("state.heads", Integer.toString(cache.stateLayout().heads()));
      texts.put("state.width", Integer.toString(cache.stateLayout().width()));
    }
    return texts;
  }

  private static List<Part> parts(LatentCache cache) {
    List<Part> parts = new ArrayList<>();
    for (int group = 0; group < cache.groups(); group++) {
      for (int layer = 0; layer < cache.layers(group); layer++) {
        parts.add(new Part(Kind.ROWS, group, layer));
        if (cache.layout(group).type().hasScales()) {
          parts.add(new Part(Kind.SCALES, group, layer));
        }
      }
    }
    for (int layer = 0; layer < cache.stateLayers(); layer++) {
      parts.add(new Part(Kind.STATE, 0, layer));
    }
    return parts;
  }

  /** Something to do with a part. */
  @FunctionalInterface
  private interface Work {
    void on(Part part) throws IOException;
  }

  /**
   * Does it with all parts, several at once: what takes time are copies and checksums. Returns or
   * throws when nobody works any more, for the rows belong to others then.
   */
  private static void forEachPart(LatentCache cache, Work work) throws IOException {
    AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
    parts(cache).parallelStream()
        .forEach(
            part -> {
              try {
                if (failure.get() == null) {
                  work.on(part);
                }
              } catch (IOException | RuntimeException | Error e) {
                failure.compareAndSet(null, e);
              }
            });
    switch (failure.get()) {
      case null -> {}
      case IOException e -> throw e;
      case RuntimeException e -> throw e;
      case Error e -> throw e;
      default -> throw new IllegalStateException(failure.get());
    }
  }

  private static String checksum(SequenceRows rows, Part part) throws IOException {
    Checksum sum = new Checksum();
    rows.read(part, bytes -> sum.update(bytes.asByteBuffer()));
    return sum.take();
  }

  private static String name(Part part) {
    String place = part.group() + "." + part.layer();
    return switch (part.kind()) {
      case ROWS -> "rows." + place;
      case SCALES -> "scales." + place;
      case STATE -> "states." + part.layer();
    };
  }

  private static StoredType type(LatentCache cache, Part part) {
    if (part.kind() == Kind.STATE) {
      return StoredType.F32;
    }
    var type = cache.layout(part.group()).type();
    if (part.kind() == Kind.SCALES) {
      return StoredType.valueOf(type.scaleFormat().name());
    }
    return type.hasScales() ? StoredType.U8 : StoredType.valueOf(type.format().name());
  }

  private static List<Long> shape(SequenceRows rows, Part part) {
    if (part.kind() == Kind.STATE) {
      StateLayout layout = rows.cache().stateLayout();
      return List.of((long) layout.heads(), (long) layout.headStride());
    }
    return List.of(
        (long) rows.tokens(), rows.tokenBytes(part) / type(rows.cache(), part).blockBytes());
  }

  private static void writeAll(WritableByteChannel channel, ByteBuffer bytes) throws IOException {
    ByteBuffer left = bytes.duplicate();
    while (left.hasRemaining()) {
      channel.write(left);
    }
  }

  /** CRC-32C of one tensor after the other, in hexadecimal digits. */
  private static final class Checksum {
    private final CRC32C sum = new CRC32C();

    void update(ByteBuffer bytes) {
      sum.update(bytes);
    }

    String take() {
      String text = String.format("%08x", sum.getValue());
      sum.reset();
      return text;
    }
  }
}

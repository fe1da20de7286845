package io.mla4j.checkpoint;

import io.mla4j.Device;
import io.mla4j.InvalidArgumentException;
import io.mla4j.MappedWatch;
import java.io.File;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * The files of a checkpoint while they are mapped, and whether they are still what was opened. The
 * property {@code mla4j.weights} or the variable {@code MLA4J_WEIGHTS} with the value {@code read}
 * instead of {@code map} has them read into memory: that takes longer and as much memory as the
 * files have bytes, and nothing that happens to them later matters.
 *
 * <p>A mapping shows what happens to its file. Somebody who downloads the weights again in place
 * first makes the file shorter, whereupon reading the mapping is a fault, and then writes other
 * numbers into it. So size and time of modification are compared with those of the opening before
 * each step, and the size once more after it: some microseconds for each file, without garbage. A
 * file that was replaced by renaming, or deleted, is no change: the mapping keeps the old one. What
 * is not seen is a writer who sets size and time back.
 *
 * <p>What a step reads of a file that gets shorter meanwhile is the business of {@link
 * Device#watch}: with native kernels that is an exception too, and with the scalar ones, whose
 * reads the JVM guards. It does not guard those of its vectors: there the process ends. Whoever
 * uses the Vector kernels on files that others write to should have them read. Thread-safe.
 */
public final class OpenFiles implements AutoCloseable {
  private static final String ADVICE =
      "; open the model again, and write a new file and rename it rather than write into one in"
          + " use";

  private static final String PROPERTY = "mla4j.weights";
  private static final String VARIABLE = "MLA4J_WEIGHTS";
  private static final long READ_AT_ONCE = 1L << 28;
  private static final int FETCH_AT_ONCE = 1 << 20;

  private final boolean reads = reads();
  private final Arena arena = Arena.ofShared();
  private final List<Mapped> files = new CopyOnWriteArrayList<>();

  /** One file as it was when it was opened. */
  private static final class Mapped {
    final Path path;
    final File file;
    final RandomAccessFile open;
    final Object key;
    final long size;
    final long modified;
    MemorySegment bytes = MemorySegment.NULL;

    /** Whether the path leads to another file by now. */
    volatile boolean replaced;

    Mapped(Path path) throws IOException {
      this.path = path;
      file = path.toFile();
      open = new RandomAccessFile(file, "r");
      BasicFileAttributes attributes = Files.readAttributes(path, BasicFileAttributes.class);
      key = attributes.fileKey();
      modified = file.lastModified();
      size = open.length();
    }

    /** What changed, or null. */
    @Nullable String change(boolean sizesAlone) throws IOException {
      long now = open.length();
      if (now != size) {
        return "had " + size + " bytes when it was opened and has " + now;
      }
      if (sizesAlone || replaced || file.lastModified() == modified) {
        return null;
      }
      if (isReplaced()) {
        replaced = true;
        return null;
      }
      return "was written to since it was opened";
    }

    private boolean isReplaced() {
      try {
        Object other = Files.readAttributes(path, BasicFileAttributes.class).fileKey();
        return other != null && !other.equals(key);
      } catch (IOException e) {
        return true; // gone
      }
    }
  }

  OpenFiles() {}

  private static boolean reads() {
    String asked = System.getProperty(PROPERTY, "");
    if (asked.isBlank()) {
      asked = Objects.requireNonNullElse(System.getenv(VARIABLE), "");
    }
    return switch (asked.strip()) {
      case "", "map" -> false;
      case "read" -> true;
      default ->
          throw new InvalidArgumentException(
              PROPERTY + " or " + VARIABLE + " is " + asked + ", but must be map or read");
    };
  }

  /** The bytes of a whole file until {@link #close}, mapped or read. */
  MemorySegment map(Path path) throws IOException {
    if (reads) {
      return read(path);
    }
    Mapped mapped = new Mapped(path);
    files.add(mapped);
    mapped.bytes =
        mapped.open.getChannel().map(FileChannel.MapMode.READ_ONLY, 0, mapped.size, arena);
    return mapped.bytes;
  }

  private MemorySegment read(Path path) throws IOException {
    try (FileChannel channel = FileChannel.open(path)) {
      MemorySegment bytes = arena.allocate(channel.size(), 64);
      for (long at = 0; at < bytes.byteSize(); ) {
        long next = Math.min(READ_AT_ONCE, bytes.byteSize() - at);
        int count = channel.read(bytes.asSlice(at, next).asByteBuffer(), at);
        if (count < 0) {
          throw new CheckpointException(path + ": got shorter while it was read");
        }
        at += count;
      }
      return bytes.asReadOnly();
    } catch (OutOfMemoryError e) {
      throw new CheckpointException(path + ": there is no memory to read it into", e);
    }
  }

  /**
   * Has a small part of a mapped file, such as a norm's weights, come into the page cache. Where a
   * page is missing under a mapping, the kernel reads megabytes around it, as a rule of weights
   * that nobody has asked for yet; where it is missing in a read, no more than what is read.
   */
  void fetch(MemorySegment part) {
    for (Mapped mapped : files) {
      long at = part.address() - mapped.bytes.address();
      if (at >= 0 && at < mapped.size) {
        ByteBuffer rest = ByteBuffer.allocate((int) Math.min(part.byteSize(), FETCH_AT_ONCE));
        try {
          mapped.open.getChannel().read(rest, at);
        } catch (IOException e) {
          // Whoever looks at the mapping is told.
        }
      }
    }
  }

  /** Whether the bytes are still there. */
  boolean isOpen() {
    return arena.scope().isAlive();
  }

  /**
   * A tensor's bytes, copied where the file has them at an address that is no multiple of its
   * element. Blocks are read byte by byte and may lie anywhere.
   *
   * @throws OutOfMemoryError where there is no memory for the copy
   */
  MemorySegment aligned(MemorySegment segment, StoredType type) {
    return type.blockElements() > 1 || segment.address() % type.blockBytes() == 0
        ? segment
        : arena.allocate(segment.byteSize(), 64).copyFrom(segment).asReadOnly();
  }

  /**
   * Compares the files with what was opened.
   *
   * @throws CheckpointException naming the first that changed
   */
  public void requireUnchanged() {
    require(false);
  }

  /** As {@link #requireUnchanged}, in a fifth of the time, by the sizes alone. */
  public void requireWhole() {
    require(true);
  }

  private void require(boolean sizesAlone) {
    for (int i = 0; i < files.size(); i++) {
      Mapped mapped = files.get(i);
      String change;
      try {
        change = mapped.change(sizesAlone);
      } catch (IOException e) {
        throw new CheckpointException(
            mapped.path + ": cannot be read any more: " + Quote.line(e.toString()), e);
      }
      if (change != null) {
        throw new CheckpointException(mapped.path + ": " + change + ADVICE);
      }
    }
  }

  /**
   * Why a mapping could not be read.
   *
   * @param cause the fault, or null
   */
  public CheckpointException unreadable(@Nullable Throwable cause) {
    try {
      requireUnchanged();
    } catch (CheckpointException e) {
      if (cause != null) {
        e.addSuppressed(cause);
      }
      return e;
    }
    return new CheckpointException(
        files.getFirst().path
            + ": a part of the mapped weights could not be read: the disk or the network has"
            + " failed, or a file was shorter for a while"
            + ADVICE,
        cause);
  }

  /** Has a device watch what its operations read; to be closed before the checkpoint is. */
  public List<MappedWatch> watch(Device device) {
    return files.stream().map(mapped -> device.watch(mapped.bytes)).toList();
  }

  /** Waits for operations that read the bytes, and frees them. Closing twice is harmless. */
  @Override
  public void close() {
    while (arena.scope().isAlive()) {
      try {
        arena.close();
      } catch (IllegalStateException e) {
        // an operation of another thread keeps the memory open, or that thread was faster
        LockSupport.parkNanos(100_000);
      }
    }
    for (Mapped mapped : files) {
      try {
        mapped.open.close();
      } catch (IOException e) {
        // Nothing was written.
      }
    }
  }
}

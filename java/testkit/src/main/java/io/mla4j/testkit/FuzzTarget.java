package io.mla4j.testkit;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/**
 * A reader of what strangers write, and valid bytes that changes begin with: for {@link ReaderFuzz}
 * and for {@link GuidedFuzz}, which finds it by its name among the {@link Provider}s.
 *
 * @param name of what is read, such as {@code gguf}: an argument of scripts/fuzz-readers
 * @param opening makes what reading needs
 */
public record FuzzTarget(String name, Opening opening) {
  /** Reads bytes, or throws an {@link io.mla4j.Mla4jException}. */
  @FunctionalInterface
  public interface Reader {
    void read(byte[] bytes) throws Exception;
  }

  /** Gets a target ready. */
  @FunctionalInterface
  public interface Opening {
    /**
     * Opens what reading needs.
     *
     * @param folder an empty one, for files
     */
    Opened open(Path folder) throws IOException;
  }

  /** The targets of a test class, a service. */
  public interface Provider {
    /** Nothing of them is open yet. */
    List<FuzzTarget> targets();
  }

  /**
   * A target in use, by one thread.
   *
   * @param original valid bytes
   * @param range how many of them, from the first, are changed: the others are the same every time
   * @param reader what must not break
   * @param closing checks and frees what reading needs
   */
  public record Opened(byte[] original, int range, Reader reader, Closing closing)
      implements AutoCloseable {
    /** One that has nothing to close and whose bytes may all change. */
    public static Opened of(byte[] original, Reader reader) {
      return of(original, original.length, reader);
    }

    /** One that has nothing to close. */
    public static Opened of(byte[] original, int range, Reader reader) {
      return new Opened(original, range, reader, () -> {});
    }

    @Override
    public void close() throws IOException {
      closing.close();
    }
  }

  /** The end of a target's use. */
  @FunctionalInterface
  public interface Closing {
    void close() throws IOException;
  }

  @Override
  public String toString() {
    return name;
  }
}

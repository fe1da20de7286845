package io.mla4j.extract;

import java.io.IOException;
import java.io.InputStream;
import org.jspecify.annotations.Nullable;

/**
 * A file in a jar.
 *
 * @param name its name on disk, without a folder
 * @param digest of its content
 * @param content opened only where the file has to be written
 */
public record PackedFile(String name, Digest digest, Content content) {
  /** The bytes of a file. */
  @FunctionalInterface
  public interface Content {
    /** A stream from the first byte, or null where there is no such file. */
    @Nullable InputStream open() throws IOException;
  }
}

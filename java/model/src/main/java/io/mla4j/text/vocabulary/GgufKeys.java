package io.mla4j.text.vocabulary;

import io.mla4j.checkpoint.CheckpointException;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * What a vocabulary needs of the metadata of a GGUF. Every getter throws a {@link
 * CheckpointException} where the key holds something else.
 */
public interface GgufKeys {
  /** The file, for messages. */
  String file();

  /** A text. */
  Optional<String> text(String key);

  /** A list of texts. */
  Optional<List<String>> texts(String key);

  /** A number of 0 or more. */
  OptionalInt id(String key);

  /** True or false. */
  Optional<Boolean> flag(String key);

  /** A list of integers. */
  Optional<int[]> integers(String key);

  /** A list of float numbers. */
  Optional<float[]> floats(String key);

  /** What to throw where {@code key} is wrong. */
  default CheckpointException error(String key, String problem) {
    return new CheckpointException(file() + ": key '" + key + "' " + problem);
  }
}

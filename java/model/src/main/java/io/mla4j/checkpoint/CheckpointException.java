package io.mla4j.checkpoint;

import io.mla4j.Mla4jException;
import org.jspecify.annotations.Nullable;

/**
 * A model directory is malformed, incomplete, or asks for something that is not supported. The
 * message is one line that names the file and the tensor or key, what it was and what is allowed.
 */
public class CheckpointException extends Mla4jException {
  private static final long serialVersionUID = 1L;

  /** An exception whose message names the file and the tensor or key. */
  public CheckpointException(String message) {
    super(message);
  }

  /**
   * An exception whose message names the file and the tensor or key, with the failure that led to
   * it.
   */
  public CheckpointException(String message, @Nullable Throwable cause) {
    super(message, cause);
  }
}

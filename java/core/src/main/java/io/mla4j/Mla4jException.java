package io.mla4j;

import org.jspecify.annotations.Nullable;

/**
 * The root of every exception that mla4j throws on purpose. The message is one line that names what
 * was wrong, what it was and what is allowed.
 */
public class Mla4jException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** An exception with a one-line message. */
  public Mla4jException(String message) {
    super(message);
  }

  /** An exception with a one-line message and the failure that led to it. */
  public Mla4jException(String message, @Nullable Throwable cause) {
    super(message, cause);
  }
}

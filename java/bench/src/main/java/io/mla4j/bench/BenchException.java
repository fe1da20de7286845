package io.mla4j.bench;

import io.mla4j.Mla4jException;

/** A measurement that cannot be made, or a file of results that cannot be read or written. */
public final class BenchException extends Mla4jException {
  private static final long serialVersionUID = 1;

  /** With what is wrong and what is allowed. */
  public BenchException(String message) {
    super(message);
  }

  /** With the cause. */
  public BenchException(String message, Throwable cause) {
    super(message, cause);
  }
}

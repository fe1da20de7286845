package io.mla4j;

/**
 * An argument is outside of what an operation accepts: a shape, a type, a range, a null. Nothing
 * was changed.
 */
public class InvalidArgumentException extends Mla4jException {
  private static final long serialVersionUID = 1L;

  /** An exception whose message names the argument, its value and what is allowed. */
  public InvalidArgumentException(String message) {
    super(message);
  }
}

package io.mla4j;

/**
 * A call that the object's state does not allow now, such as truncating a sequence within an open
 * step. Nothing was changed.
 */
public class InvalidStateException extends Mla4jException {
  private static final long serialVersionUID = 1L;

  /** An exception whose message names the object and its state. */
  public InvalidStateException(String message) {
    super(message);
  }
}

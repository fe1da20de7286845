package io.mla4j;

/** A pool, sequence, step or device was used after it was closed. */
public class ClosedException extends Mla4jException {
  private static final long serialVersionUID = 1L;

  /** An exception whose message names what was closed. */
  public ClosedException(String message) {
    super(message);
  }
}

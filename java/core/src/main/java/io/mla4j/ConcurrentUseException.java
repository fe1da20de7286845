package io.mla4j;

/**
 * An object that belongs to one thread at a time was used by two. What the other thread computes
 * may be wrong; this call changed nothing.
 */
public class ConcurrentUseException extends InvalidStateException {
  private static final long serialVersionUID = 1L;

  /** An exception whose message names the object and the other thread. */
  public ConcurrentUseException(String message) {
    super(message);
  }
}

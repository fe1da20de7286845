package io.mla4j;

/**
 * A cache pool has fewer free pages than a step needs. The pool and its sequences are unchanged.
 */
public class CacheFullException extends Mla4jException {
  private static final long serialVersionUID = 1L;

  /** An exception whose message says how many pages were needed, free and in all. */
  public CacheFullException(String message) {
    super(message);
  }
}

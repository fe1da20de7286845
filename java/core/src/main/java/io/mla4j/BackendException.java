package io.mla4j;

/** A backend is unknown, unavailable on this machine, or failed while computing. */
public class BackendException extends Mla4jException {
  private static final long serialVersionUID = 1L;

  /** An exception whose message names the backend and the reason. */
  public BackendException(String message) {
    super(message);
  }

  /**
   * An exception whose message names the backend and the reason, with the failure that led to it.
   */
  public BackendException(String message, Throwable cause) {
    super(message, cause);
  }
}

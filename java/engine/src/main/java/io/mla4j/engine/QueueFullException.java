package io.mla4j.engine;

import io.mla4j.Mla4jException;

/** As many requests wait as may wait, of all or of one tenant; a later try may succeed. */
public class QueueFullException extends Mla4jException {
  private static final long serialVersionUID = 1L;

  /** An exception whose message says how many wait. */
  public QueueFullException(String message) {
    super(message);
  }
}

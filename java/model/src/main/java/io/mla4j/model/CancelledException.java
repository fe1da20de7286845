package io.mla4j.model;

import io.mla4j.Mla4jException;

/** A computation was given up because somebody asked for it; the cache is as before. */
public class CancelledException extends Mla4jException {
  private static final long serialVersionUID = 1L;

  /** An exception whose message says who asked. */
  public CancelledException(String message) {
    super(message);
  }
}

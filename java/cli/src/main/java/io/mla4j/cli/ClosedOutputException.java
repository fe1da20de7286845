package io.mla4j.cli;

/** Stdout cannot be written, or nobody reads it any more. */
final class ClosedOutputException extends RuntimeException {
  private static final long serialVersionUID = 1L;
}

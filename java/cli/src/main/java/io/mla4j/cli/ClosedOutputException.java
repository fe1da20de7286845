package io.mla4j.cli;

/** Nobody reads the output any more: the command ends without a word. */
final class ClosedOutputException extends RuntimeException {
  private static final long serialVersionUID = 1L;
}

package io.mla4j.lab;

import io.mla4j.Mla4jException;

/** What the laboratory refuses, naming the option, the file and key, or the tensor. */
public final class LabException extends Mla4jException {
  private static final long serialVersionUID = 1;

  /** One line that says what must be otherwise. */
  public LabException(String message) {
    super(message);
  }

  /** The same with the cause. */
  public LabException(String message, Throwable cause) {
    super(message, cause);
  }
}

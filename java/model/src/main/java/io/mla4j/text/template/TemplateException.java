package io.mla4j.text.template;

import io.mla4j.Mla4jException;

/**
 * A chat template cannot be read or rendered, or refuses the messages itself. The message is one
 * line that names the template and the line of it.
 */
public class TemplateException extends Mla4jException {
  private static final long serialVersionUID = 1L;

  /** An exception whose message names the template and the line. */
  public TemplateException(String message) {
    super(message);
  }
}

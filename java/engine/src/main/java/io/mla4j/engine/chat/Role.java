package io.mla4j.engine.chat;

import java.util.Locale;

/** Who says a message. */
public enum Role {
  /** What the model is told to be. */
  SYSTEM,
  /** A person. */
  USER,
  /** The model. */
  ASSISTANT,
  /** What a tool gave back. */
  TOOL;

  /** As templates and OpenAI's interface write it. */
  public String text() {
    return name().toLowerCase(Locale.ROOT);
  }
}

package io.mla4j.engine.chat;

/** Whether the model calls tools. */
public sealed interface ToolChoice {
  /** As it likes; what a request without a choice means. */
  ToolChoice AUTO = new Auto();

  /** Never: it is not told of them. */
  ToolChoice NONE = new None();

  /** At least one of them. */
  ToolChoice REQUIRED = new Required();

  /** This one. */
  static ToolChoice named(String tool) {
    return new Named(tool);
  }

  /** As the model likes. */
  record Auto() implements ToolChoice {}

  /** No tool. */
  record None() implements ToolChoice {}

  /** Any tool, but one. */
  record Required() implements ToolChoice {}

  /** The tool of this name. */
  record Named(String tool) implements ToolChoice {}
}

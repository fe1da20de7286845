package io.mla4j.engine;

/** Why a text ended. */
public enum FinishReason {
  /** The model ended it, or a stop text or stop id appeared, or its constraint is complete. */
  STOP,
  /** It has as many tokens as were asked for. */
  LENGTH,
  /** The model's context, or the engine's, is full. */
  CONTEXT,
  /** {@link Answer#cancel}, or the engine was closed. */
  CANCELLED,
  /** The request's deadline passed. */
  DEADLINE
}

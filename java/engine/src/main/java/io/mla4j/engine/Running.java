package io.mla4j.engine;

import java.time.Duration;

/**
 * A text that is being written, or waits to be.
 *
 * @param request the number of its request, in the order of submission
 * @param choice which of the request's texts
 * @param tenant whose it is
 * @param state where it stands
 * @param usage tokens so far
 * @param age since its request was submitted
 */
public record Running(
    long request, int choice, String tenant, State state, Usage usage, Duration age) {
  /** Where a text stands. */
  public enum State {
    /** It has no pages. */
    WAITING,
    /** Its prompt goes through the model, or what was written before it was put back. */
    PREFILL,
    /** It gets a token a step. */
    DECODE
  }
}

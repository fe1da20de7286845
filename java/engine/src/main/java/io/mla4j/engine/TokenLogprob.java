package io.mla4j.engine;

import java.util.List;

/**
 * How likely a token was: natural logarithms of the softmax of the model's logits as they are,
 * before penalties, biases, constraints and temperature.
 *
 * @param logprob of the token
 * @param top the likeliest tokens, likeliest first, as many as were asked for
 */
public record TokenLogprob(float logprob, List<Top> top) {
  /** Keeps its own copy of the list. */
  public TokenLogprob {
    top = List.copyOf(top);
  }

  /** One of the likeliest tokens. */
  public record Top(int id, float logprob) {}
}

package io.mla4j.server;

import static io.mla4j.InvalidArgumentException.require;

import io.mla4j.InvalidArgumentException;
import java.time.Duration;

/**
 * What one request may take.
 *
 * @param bodyBytes of the body
 * @param messages of a conversation, or items of an input
 * @param tools that are described
 * @param prompts of one request to completions
 * @param choices {@code n}
 * @param stops stop texts
 * @param tokens the most that {@code max_tokens} may be; 0 for what the context has room for
 * @param stall how long a client may take none of what it is sent
 */
public record Limits(
    int bodyBytes,
    int messages,
    int tools,
    int prompts,
    int choices,
    int stops,
    int tokens,
    Duration stall) {
  /** 8 MiB, 4096 messages, 256 tools, 64 prompts, 16 choices, 16 stop texts, half a minute. */
  public static final Limits DEFAULT =
      new Limits(8 << 20, 4096, 256, 64, 16, 16, 0, Duration.ofSeconds(30));

  /**
   * Checks that all are positive.
   *
   * @throws InvalidArgumentException naming the one that is not
   */
  public Limits {
    atLeast(1, "bodyBytes", bodyBytes);
    atLeast(1, "messages", messages);
    atLeast(1, "tools", tools);
    atLeast(1, "prompts", prompts);
    atLeast(1, "choices", choices);
    atLeast(1, "stops", stops);
    atLeast(0, "tokens", tokens);
    require(stall.isPositive(), "stall", stall, "above 0");
  }

  private static void atLeast(int least, String name, int value) {
    require(value >= least, name, value, "at least " + least);
  }
}

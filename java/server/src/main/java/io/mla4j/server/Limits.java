package io.mla4j.server;

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
    require("bodyBytes", bodyBytes, 1);
    require("messages", messages, 1);
    require("tools", tools, 1);
    require("prompts", prompts, 1);
    require("choices", choices, 1);
    require("stops", stops, 1);
    require("tokens", tokens, 0);
    if (!stall.isPositive()) {
      throw new InvalidArgumentException("stall is " + stall + ", but must be above 0");
    }
  }

  private static void require(String name, int value, int least) {
    if (value < least) {
      throw new InvalidArgumentException(name + " is " + value + ", but must be at least " + least);
    }
  }
}

package io.mla4j.engine.chat;

import io.mla4j.text.ChatTemplate;
import io.mla4j.text.ControlTokens;
import java.util.List;
import java.util.Optional;

/**
 * What stands around the reasoning that comes before an answer.
 *
 * @param open before it; a template may write it already
 * @param close behind it
 */
record ReasoningFormat(String open, String close) {
  private static final List<ReasoningFormat> KNOWN =
      List.of(
          new ReasoningFormat("<think>", "</think>"),
          new ReasoningFormat("◁think▷", "◁/think▷"),
          new ReasoningFormat("<|thought_start|>", "<|thought_end|>"),
          new ReasoningFormat("[THINK]", "[/THINK]"));

  /** The one that a template mentions, or of which the vocabulary has tokens. */
  static Optional<ReasoningFormat> find(ChatTemplate template, ControlTokens controls) {
    return KNOWN.stream()
        .filter(
            format -> template.mentions(format.close()) || controls.id(format.close()).isPresent())
        .findFirst();
  }

  /** Whether a prompt ends with its beginning. */
  boolean isOpenBehind(String prompt) {
    return prompt.stripTrailing().endsWith(open);
  }

  /** Whether a prompt ends with its end: there is none. */
  boolean isClosedBehind(String prompt) {
    return prompt.stripTrailing().endsWith(close);
  }
}

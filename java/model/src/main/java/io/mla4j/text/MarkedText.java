package io.mla4j.text;

import java.util.BitSet;

/**
 * A text of a conversation that knows where its control tokens must not come from.
 *
 * @param text what a model reads
 * @param typed places in {@code text} of characters that come from a message or a tool, not from
 *     the template, and with which a control token would begin
 */
public record MarkedText(String text, BitSet typed) {
  /** Copies the places. */
  public MarkedText {
    typed = (BitSet) typed.clone();
  }

  /** One whose control tokens all count. */
  public static MarkedText of(String text) {
    return new MarkedText(text, new BitSet());
  }
}

package io.mla4j.text;

import io.mla4j.text.speculation.Speculator;
import org.jspecify.annotations.Nullable;

/**
 * What a pass over a text's last token and guesses behind it gave, until it is used or a guess
 * turns out to be wrong. Belongs to one session.
 */
final class Ahead {
  private final Speculator speculator;
  private final TokenChooser chooser;

  /** Tokens of the text when the pass was run: row 0 says what follows them. */
  private final int begin;

  private final int guesses;

  /** Rows that were used. */
  private int used;

  /** Of rows that {@code chooser} has read: of the last token and of each guess. */
  Ahead(Speculator speculator, TokenChooser chooser, int begin, int guesses) {
    this.speculator = speculator;
    this.chooser = chooser;
    this.begin = begin;
    this.guesses = guesses;
  }

  /** Chooses what follows the tokens so far. */
  int choose() {
    int id = chooser.chooseRead(used);
    used++;
    return id;
  }

  /**
   * Whether the next row is that of the token which was chosen last, {@code id}; if not, this is
   * over.
   */
  boolean goesOn(int id) {
    boolean checked = used <= guesses;
    boolean right = checked && speculator.guess(used - 1) == id;
    if (checked) {
      speculator.checked(used - 1, right);
    }
    if (!right) {
      speculator.gave(used);
    }
    return right;
  }

  /** What is left is not used. */
  void end() {
    speculator.gave(used);
  }

  /** The logits of the next row; null where the device kept them. */
  float @Nullable [] logits() {
    return chooser.logitsRead(used);
  }

  /** Tokens of the cache that are of the text and not of guesses, all but the last one at least. */
  int cached() {
    return begin + used - 1;
  }
}

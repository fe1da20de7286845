package io.mla4j.engine;

import io.mla4j.text.Speculation;
import io.mla4j.text.speculation.Losses;
import io.mla4j.text.speculation.PassTimes;
import java.util.List;

/**
 * Which guesses a step checks, of all texts that are being written: those by which it gives the
 * most tokens in a second. A step of n texts and the guesses that are right with the probabilities
 * p gives {@code n + sum p} tokens in the time of so many rows, which is measured; guesses are
 * added from the likeliest down as long as that pays. What is guessed changes no text: a row has
 * the same bits beside others. Belongs to the loop.
 */
final class Guesses {
  /** Beyond so many rows a step is bound by arithmetic, and guesses gain nothing. */
  private static final int MOST_ROWS = 64;

  private final boolean guesses;
  private final PassTimes times = new PassTimes(MOST_ROWS);
  private final Losses losses = new Losses();

  Guesses(EngineOptions options) {
    this.guesses = options.speculation() == Speculation.LOOKUP;
  }

  /**
   * Guesses for a step in which every text gets a token and no prompt is read.
   *
   * @param contextTokens the most tokens of a text
   */
  void choose(List<Text> texts, int contextTokens) {
    if (!guesses) {
      return;
    }
    for (Text text : texts) {
      text.guesses.clear();
    }
    int rows = texts.size();
    if (2 * rows > MOST_ROWS
        || !times.knowsPlain(rows)
        || losses.wantsPlain()
        || !losses.affords(loss(rows, rows + 1))) {
      return;
    }
    for (Text text : texts) {
      // The token that the step gives anyway is none of them.
      int most =
          Math.min(
              text.ticket.request.maxTokens() - text.generated() - 1, contextTokens - text.count);
      text.guesses.begin(text.ids, text.count, text.place().isRewindable() ? most : 0);
    }
    choose(texts);
  }

  /** What a step of so many texts loses by more rows where all guesses are wrong, in steps. */
  private double loss(int texts, int rows) {
    return times.nanos(rows) / times.nanos(texts) - 1;
  }

  private void choose(List<Text> texts) {
    int rows = texts.size();
    int most = times.horizon();
    double expected = rows;
    double rate = expected / times.nanos(rows);
    int[] best = new int[texts.size()];
    while (rows < most) {
      Text next = likeliest(texts);
      if (next.guesses.next() == 0 || !losses.affords(loss(texts.size(), rows + 1))) {
        break;
      }
      expected += next.guesses.next();
      next.guesses.choose();
      rows++;
      double other = expected / times.nanos(rows);
      if (other > rate) {
        rate = other;
        for (int i = 0; i < best.length; i++) {
          best[i] = texts.get(i).guesses.chosen();
        }
      }
    }
    for (int i = 0; i < best.length; i++) {
      texts.get(i).guesses.keep(best[i]);
    }
  }

  private static Text likeliest(List<Text> texts) {
    Text best = texts.getFirst();
    for (Text text : texts) {
      if (text.guesses.next() > best.guesses.next()) {
        best = text;
      }
    }
    return best;
  }

  /**
   * A step without prompts was run.
   *
   * @param texts that were being written
   * @param made guesses that were checked
   * @param right how many of them the model chose too
   * @return nanoseconds that it would have taken without guesses
   */
  long ran(int texts, int made, int right, long nanos) {
    int rows = texts + made;
    if (rows > MOST_ROWS) {
      return nanos;
    }
    times.ran(rows, made == 0, nanos);
    losses.ran(made == 0);
    if (made == 0) {
      return nanos;
    }
    double cost = times.nanos(rows) / times.nanos(texts);
    if (times.isMeasured(rows)) {
      losses.gained(1 + (double) right / texts - cost);
    }
    return Math.round(nanos / Math.max(1, cost));
  }
}

package io.mla4j.text;

import io.mla4j.InvalidStateException;
import io.mla4j.LatentCache;
import io.mla4j.Sequence;
import io.mla4j.model.Decoder.HiddenConsumer;
import io.mla4j.ops.Tensor;
import io.mla4j.text.speculation.Guesser;
import io.mla4j.text.speculation.Speculator;
import java.util.Locale;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** How the tokens of a session are guessed, and what a pass over guesses gave. Belongs to it. */
final class Guessing {
  private final Model model;
  private final LatentCache cache;
  private final Sequence sequence;
  private Speculation kind = Speculation.OFF;

  /** Null where nothing is guessed. */
  private @Nullable Speculator speculator;

  /** Where guesses are cached beyond the tokens, what they gave; else null. */
  private @Nullable Ahead ahead;

  Guessing(Model model, LatentCache cache, Sequence sequence) {
    this.model = model;
    this.cache = cache;
    this.sequence = sequence;
  }

  /** See {@link Session#speculate}. */
  void start(Speculation how) {
    if (how == kind) {
      return;
    }
    if (how != Speculation.OFF && !sequence.isRewindable()) {
      throw new InvalidStateException(
          "speculation is "
              + how.name().toLowerCase(Locale.ROOT)
              + ", but some layers of the model have the state of a recurrence, which wrong guesses"
              + " would spoil: only off is possible");
    }
    start(how.start(model, cache.pages() * cache.pageSize()));
    kind = how;
  }

  /** Null for nothing. */
  void start(@Nullable Speculator other) {
    drop();
    close();
    speculator = other;
  }

  Speculation.Figures figures() {
    return speculator == null
        ? Speculation.Figures.NONE
        : new Speculation.Figures(speculator.passes(), speculator.made(), speculator.accepted());
  }

  /** Whether tokens are guessed at all. */
  boolean isOn() {
    return speculator != null;
  }

  private Speculator on() {
    return Objects.requireNonNull(speculator, "nothing is guessed");
  }

  /** Whether what follows the last token is known from a pass before. */
  boolean isAhead() {
    return ahead != null;
  }

  /** Chooses what follows the last token. */
  int choose() {
    return Objects.requireNonNull(ahead, "nothing is ahead").choose();
  }

  /** The session's next token is {@code id}: it goes on with it, or forgets the guesses. */
  void chose(int id) {
    if (ahead != null && !ahead.goesOn(id)) {
      end(ahead);
    }
  }

  /** The logits behind the last token, which is cached then, where they are known; else null. */
  float @Nullable [] takeLogits(int count) {
    if (ahead == null) {
      return null;
    }
    float[] logits = ahead.logits();
    if (logits != null) {
      ahead.end();
      ahead = null;
      sequence.truncate(count);
    }
    return logits;
  }

  /**
   * Guesses.
   *
   * @param wanted tokens that will be asked for
   * @return the last token and guesses behind it; within a step
   */
  int[] guess(int[] ids, int count, int wanted) {
    int page = cache.pageSize();
    long pages = Math.ceilDiv(sequence.length(), page) + (long) cache.freePages();
    int most = Math.max(0, Math.min(wanted - 1, model.description().context() - count));
    Speculator guesser = on();
    int n = guesser.guess(ids, count, Math.clamp(pages * page - count, 0, most));
    int[] rows = new int[1 + n];
    rows[0] = ids[count - 1];
    for (int i = 0; i < n; i++) {
      rows[1 + i] = guesser.guess(i);
    }
    return rows;
  }

  /**
   * A pass over a token and guesses was run.
   *
   * @param hidden a row for each
   * @param count tokens of the session, the first row's included
   * @param start when it began
   */
  void ran(TokenChooser chooser, Tensor hidden, int count, long start) {
    int guesses = (int) hidden.dim(0) - 1;
    chooser.read(hidden);
    Speculator guesser = on();
    guesser.ran(guesses, System.nanoTime() - start);
    ahead = new Ahead(guesser, chooser, count, guesses);
  }

  /** What is told of the hidden states of the next step; null where nobody asks. */
  @Nullable HiddenConsumer states(int[] ids, int count) {
    Guesser guesser = speculator == null ? null : speculator.guesser();
    if (guesser == null || !guesser.needsStates()) {
      return null;
    }
    int position = sequence.length();
    return hidden -> guesser.computed(hidden, position, ids, count);
  }

  /** Forgets guesses that are cached, and what would follow them. */
  void drop() {
    if (ahead != null) {
      ahead.end();
      end(ahead);
    }
  }

  private void end(Ahead pass) {
    sequence.truncate(pass.cached());
    ahead = null;
  }

  /** The session keeps its first {@code length} tokens. */
  void truncate(int length) {
    if (speculator != null) {
      speculator.guesser().truncate(length);
    }
  }

  /** Frees what guesses. */
  void close() {
    if (speculator != null) {
      speculator.close();
      speculator = null;
    }
  }
}

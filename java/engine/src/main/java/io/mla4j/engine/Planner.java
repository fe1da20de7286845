package io.mla4j.engine;

import io.mla4j.AttentionForm;
import io.mla4j.engine.EngineModel.Piece;
import io.mla4j.model.Decoder.Wanted;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What a step does for each text. Belongs to the loop. */
final class Planner {
  /**
   * A text and what is done for it.
   *
   * @param guesses how many of the piece's tokens, the last ones, are guesses
   */
  record Work(Text text, Piece piece, int guesses) {
    boolean isDecode() {
      return piece.count() == 1 + guesses && piece.from() >= piece.prompt();
    }
  }

  private static final Comparator<Text> OLDEST =
      Comparator.<Text>comparingLong(text -> text.ticket.id).thenComparingInt(text -> text.choice);

  private static final Comparator<Text> SHORTEST =
      Comparator.<Text>comparingInt(text -> text.count - text.place().length())
          .thenComparing(OLDEST);

  private final Pages pages;
  private final Budget budget;
  private final Guesses guesses;
  private boolean shortestFirst;

  Planner(Pages pages, EngineOptions options) {
    this.pages = pages;
    this.budget = new Budget(options);
    this.guesses = new Guesses(options);
  }

  /** The works of a step: every text that is being written, and prompts as far as they fit. */
  List<Work> plan(List<Text> running) {
    List<Work> works = new ArrayList<>(running.size());
    List<Text> readers = new ArrayList<>();
    for (Text text : running) {
      if (text.place().length() == text.count - 1 && text.generated() > 0) {
        works.add(work(text, text.count, 0, Wanted.LAST));
      } else {
        readers.add(text);
      }
    }
    if (readers.isEmpty()) {
      return foresee(works);
    }
    int left = budget.tokens(works.size());
    if (left == 0) {
      readShort(readers, works);
      return works;
    }
    // The oldest goes on in every second step at least; a short prompt need not wait for a long
    // one.
    shortestFirst = !shortestFirst;
    readers.sort(shortestFirst ? SHORTEST : OLDEST);
    boolean first = true;
    for (Text text : readers) {
      int cached = text.place().length();
      Work work = read(text, first ? Math.max(left, budget.least(cached)) : left, first);
      if (work != null) {
        works.add(work);
        // One that goes on anyway may take more than is left.
        left = Math.max(0, left - work.piece.count());
        first = false;
      }
    }
    return works;
  }

  /** The same step with what is worth guessing. */
  private List<Work> foresee(List<Work> works) {
    guesses.choose(works.stream().map(Work::text).toList(), pages.contextTokens());
    works.replaceAll(work -> work.text().guesses.chosen() == 0 ? work : foresee(work.text()));
    return works;
  }

  private static Work foresee(Text text) {
    int[] guessed = text.guesses.take();
    text.foresee(guessed);
    return work(text, text.count + guessed.length, guessed.length, Wanted.EACH);
  }

  /** The same step without guesses. */
  static List<Work> plain(List<Work> works) {
    List<Work> plain = new ArrayList<>(works);
    plain.replaceAll(
        work -> work.guesses == 0 ? work : work(work.text, work.text.count, 0, Wanted.LAST));
    return plain;
  }

  /** One of them, if it is short: it may begin where longer ones wait. */
  private void readShort(List<Text> readers, List<Work> works) {
    if (budget.takesShort() && !readers.isEmpty()) {
      Text text = Collections.min(readers, SHORTEST);
      if (text.count - text.place().length() <= Budget.SHORT) {
        works.add(read(text, Budget.SHORT, true));
      }
    }
  }

  /**
   * The next piece of a text that is not cached up to its last token.
   *
   * @param anyway whether it goes on even where the budget is too small for its next piece
   * @return null where the budget is too small
   */
  private @Nullable Work read(Text text, int left, boolean anyway) {
    int before = text.place().length();
    int end = pages.endOfBody(text);
    if (before < end) {
      pages.share(text);
      int shared = text.place().length() - before;
      if (text.generated() == 0) {
        text.cachedTokens += shared;
      }
      before += shared;
    }
    if (before < end) {
      int to = pages.cut().endOfStep(before, end, left);
      if (to == before && anyway) {
        to = pages.cut().endOfStep(before, end);
      }
      text.place().form(pages.cut().formOfBody());
      return to == before ? null : work(text, to, 0, Wanted.NONE);
    }
    text.place().form(AttentionForm.AUTO);
    if (before < text.promptTokens) {
      boolean fits = anyway || text.promptTokens - before <= left;
      return fits
          ? work(text, text.promptTokens, 0, text.generated() == 0 ? Wanted.LAST : Wanted.NONE)
          : null;
    }
    int most = text.place().isRewindable() ? left : Math.min(left, 1);
    return most < 1 ? null : work(text, Math.min(text.count, before + most), 0, Wanted.EACH);
  }

  private static Work work(Text text, int to, int guesses, Wanted wanted) {
    return new Work(
        text,
        new Piece(text.place(), text.ids, text.promptTokens, text.place().length(), to, wanted),
        guesses);
  }

  /** A step is done: others may share what was read. */
  void settle(Text text) {
    if (text.place().length() <= pages.endOfBody(text)) {
      pages.publish(text);
    }
    if (text.place().length() == text.count - 1 && text.generated() > 0) {
      text.state = Running.State.DECODE;
    }
  }

  /**
   * How long a step took, for {@code event} too unless it is null.
   *
   * @param right guesses that were right
   */
  void ran(List<Work> works, int right, long nanos, Recorded.@Nullable DecodeStep event) {
    int texts = 0;
    int tokens = 0;
    int made = 0;
    for (Work work : works) {
      made += work.guesses;
      if (work.isDecode()) {
        texts++;
      } else {
        tokens += work.piece.count();
      }
    }
    budget.ran(texts, tokens, tokens == 0 ? guesses.ran(texts, made, right, nanos) : nanos);
    if (event != null) {
      event.end(texts, tokens);
    }
  }
}

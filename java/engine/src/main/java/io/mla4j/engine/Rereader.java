package io.mla4j.engine;

import io.mla4j.PrefixCache;
import io.mla4j.Sequence;
import io.mla4j.engine.EngineModel.Piece;
import io.mla4j.model.Decoder.Wanted;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Answers of conversations, read as the part of a prompt that they are likely to be next, while
 * nobody waits. What was computed token by token has other bits than a prompt's tokens, and a text
 * must not depend on what was cached; so the next question finds its answer in the cache only where
 * it was computed as a prompt. Belongs to the loop.
 */
final class Rereader implements AutoCloseable {
  /** Conversations that wait; of more the oldest are forgotten. */
  private static final int MOST = 16;

  /** Tokens of a step, about: who comes meanwhile waits for it. */
  private static final int PIECE = 128;

  /**
   * A prompt and its text.
   *
   * @param beginning its whole pages
   */
  private record Said(int[] ids, int end, PrefixCache.Beginning beginning) {}

  private final EngineModel model;
  private final Pages pages;
  private final ArrayDeque<Said> waiting = new ArrayDeque<>();

  /** Of the first one, as far as it was read since somebody waited; or null. */
  private @Nullable Sequence sequence;

  Rereader(EngineModel model, Pages pages) {
    this.model = model;
    this.pages = pages;
  }

  /** A text has ended that may be a part of a prompt. */
  void add(Text text) {
    int end = pages.cut().endOfBody(text.count);
    if (pages.cut().isSharable() && end > pages.endOfBody(text)) {
      if (waiting.size() == MOST) {
        pause();
        waiting.removeFirst();
      }
      int[] ids = Arrays.copyOf(text.ids, text.count);
      waiting.add(new Said(ids, end, pages.beginning(text.ticket.tenant(), ids, end)));
    }
  }

  boolean isDone() {
    return waiting.isEmpty();
  }

  /** Somebody waits: others may have the pages. */
  void pause() {
    if (sequence != null) {
      sequence.close();
      sequence = null;
    }
  }

  /** Reads the next piece. What fails is not tried again: nobody asked for it. */
  void step() {
    if (isDone()) {
      return;
    }
    try {
      if (read(waiting.getFirst())) {
        drop();
      }
    } catch (RuntimeException | Error e) {
      drop();
    }
  }

  private void drop() {
    pause();
    waiting.removeFirst();
  }

  private boolean read(Said said) {
    if (sequence == null) {
      sequence = pages.open(said.beginning, said.ids.length);
      sequence.form(pages.cut().formOfBody());
    }
    int from = sequence.length();
    if (from < said.end) {
      int to = pages.cut().endOfStep(from, said.end, PIECE);
      to = to == from ? pages.cut().endOfStep(from, said.end) : to;
      Recorded.DecodeStep event = Recorded.step();
      model.step(
          List.of(new Piece(sequence, said.ids, said.ids.length, from, to, Wanted.NONE)),
          (_, _) -> {});
      if (event != null) {
        event.end(0, to - from);
      }
      pages.publish(sequence, said.beginning, to);
    }
    return sequence.length() == said.end;
  }

  @Override
  public void close() {
    pause();
    waiting.clear();
  }
}

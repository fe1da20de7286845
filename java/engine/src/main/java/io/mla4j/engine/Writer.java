package io.mla4j.engine;

import io.mla4j.text.StopFilter;
import io.mla4j.text.StreamingDecoder;
import io.mla4j.text.Tokenizer;
import org.jspecify.annotations.Nullable;

/** Tokens of one text become characters, until a stop text appears. Belongs to the loop. */
final class Writer {
  /** Null where the model has no tokenizer: ids have no text. */
  private final @Nullable Tokenizer tokenizer;

  private final @Nullable StreamingDecoder characters;
  private final StopFilter filter;

  /** What became certain since {@link #take}. */
  private final StringBuilder certain = new StringBuilder();

  Writer(EngineModel model, Request request) {
    tokenizer = model.hasTokenizer() ? model.tokenizer() : null;
    characters = tokenizer == null ? null : tokenizer.streamingDecoder(!request.keepSpecial());
    filter = new StopFilter(request.stopTexts(), certain::append);
  }

  /** Takes a token that does not end the text: whether a stop text appeared. */
  boolean accept(int id) {
    String piece = characters == null ? "" : characters.next(id);
    return tokenizer != null && piece.isEmpty() && filter.looks()
        ? filter.acceptSpecial(tokenizer.specialText(id))
        : filter.accept(piece);
  }

  /** No more tokens come: whether a stop text appeared in what waited. */
  boolean finish() {
    if (characters != null && filter.accept(characters.finish())) {
      return true;
    }
    filter.finish();
    return false;
  }

  /** The stop text that appeared. */
  @Nullable String stopText() {
    return filter.found();
  }

  /** What became certain since the last call. */
  String take() {
    if (certain.isEmpty()) {
      return "";
    }
    String text = certain.toString();
    certain.setLength(0);
    return text;
  }
}

package io.mla4j.text;

import io.mla4j.InvalidArgumentException;
import io.mla4j.model.CancelledException;
import io.mla4j.text.Generation.FinishReason;
import java.util.Arrays;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** One generation: tokens of a session become text, until something ends it. */
final class Generator {
  private final Model model;
  private final GenerationOptions options;

  /** Null where the model has no tokenizer: ids have no text. */
  private final @Nullable StreamingDecoder characters;

  private final StopFilter text;

  Generator(Model model, GenerationOptions options, Consumer<String> listener) {
    this.model = model;
    this.options = options;
    this.characters = model.hasTokenizer() ? model.tokenizer().streamingDecoder(true) : null;
    if (characters == null && !options.stop().isEmpty()) {
      throw new InvalidArgumentException("a stop text needs the model's tokenizer");
    }
    this.text = new StopFilter(options.stop(), listener);
  }

  Generation run(int[] prompt) {
    int context = model.description().context();
    if (prompt.length == 0) {
      throw new InvalidArgumentException("the prompt has no tokens");
    }
    if (prompt.length > context) {
      throw new InvalidArgumentException(
          "the prompt has " + prompt.length + " tokens, but the model's context is " + context);
    }
    int capacity = (int) Math.min(context, (long) prompt.length + options.maxTokens());
    try (Session session = model.session(capacity)) {
      return run(session, prompt);
    }
  }

  /** Continues a prompt, with whose start {@code session} may begin already. */
  Generation run(Session session, int[] prompt) {
    long start = System.nanoTime();
    long prefilled = start;
    session.speculate(options.speculation());
    Speculation.Figures before = session.speculated();
    FinishReason reason;
    try {
      int[] more = Arrays.copyOfRange(prompt, session.length(), prompt.length);
      session.append(options.cancellation(), more);
      int first = next(session, prompt.length);
      prefilled = System.nanoTime();
      reason = continueFrom(first, session, prompt.length);
    } catch (CancelledException e) {
      text.finish();
      reason = FinishReason.CANCELLED;
    }
    long end = System.nanoTime();
    int[] ids = session.ids();
    return new Generation(
        text.given(),
        Arrays.copyOfRange(ids, Math.min(prompt.length, ids.length), ids.length),
        reason,
        prompt.length,
        (prefilled == start ? end : prefilled) - start,
        prefilled == start ? 0 : end - prefilled,
        session.cacheBytes(),
        session.speculated().since(before));
  }

  private FinishReason continueFrom(int first, Session session, int promptTokens) {
    int id = first;
    while (true) {
      if (model.description().eos().contains(id)) {
        text.accept(rest());
        text.finish();
        return FinishReason.EOS;
      }
      String piece = textOf(id);
      boolean stopped =
          piece.isEmpty() && text.looks()
              ? text.acceptSpecial(model.tokenizer().specialText(id))
              : text.accept(piece);
      if (stopped) {
        return FinishReason.STOP;
      }
      boolean enough = session.length() - promptTokens == options.maxTokens();
      if (enough || session.isFull()) {
        if (text.accept(rest())) {
          return FinishReason.STOP;
        }
        text.finish();
        return enough ? FinishReason.LENGTH : FinishReason.CONTEXT;
      }
      id = next(session, promptTokens);
    }
  }

  private int next(Session session, int promptTokens) {
    int wanted = options.maxTokens() - (session.length() - promptTokens);
    return session.next(options.sampling(), options.cancellation(), wanted);
  }

  private String textOf(int id) {
    return characters == null ? "" : characters.next(id);
  }

  private String rest() {
    return characters == null ? "" : characters.finish();
  }
}

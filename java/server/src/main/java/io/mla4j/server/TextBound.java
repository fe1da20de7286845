package io.mla4j.server;

import io.mla4j.checkpoint.CheckpointException;
import io.mla4j.engine.Engine;
import io.mla4j.engine.EngineModel;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;

/**
 * Refuses texts that no context has room for before they are turned to tokens, which takes long: a
 * token is at most as many bytes as the longest one of the vocabulary. Thread-safe.
 */
final class TextBound {
  /** Characters of each token of the context that are taken without a look at the vocabulary. */
  private static final long FEW = 4;

  private final Engine engine;

  /** Bytes of the longest token; 0 before it is asked for. */
  private int longest;

  TextBound(Engine engine) {
    this.engine = engine;
  }

  /**
   * Refuses texts that are too long together.
   *
   * @param field where they came from
   */
  void check(String field, List<String> texts) {
    int context = engine.contextTokens();
    List<String> there = texts.stream().filter(Objects::nonNull).toList();
    long characters = there.stream().mapToLong(String::length).sum();
    if (characters <= FEW * context || !engine.model().hasTokenizer()) {
      return;
    }
    long bytes =
        there.stream().mapToLong(text -> text.getBytes(StandardCharsets.UTF_8).length).sum();
    if (bytes > (long) longest() * context) {
      throw ApiException.contextLength(
          field,
          field
              + " has "
              + bytes
              + " bytes, which are more than "
              + context
              + " tokens, the most of a prompt and its text, can be");
    }
  }

  private synchronized int longest() {
    if (longest == 0) {
      longest = longest(engine.model());
    }
    return longest;
  }

  private static int longest(EngineModel model) {
    try {
      IntStream plain =
          Arrays.stream(model.tokenizer().bytesOfTokens())
              .filter(Objects::nonNull)
              .mapToInt(token -> token.length);
      IntStream added =
          model.tokenizer().controls().texts().stream()
              .mapToInt(text -> text.getBytes(StandardCharsets.UTF_8).length);
      return IntStream.concat(plain, added).max().orElse(Integer.MAX_VALUE);
    } catch (CheckpointException e) {
      // Such a vocabulary does not tell its bytes, so that there is no bound.
      return Integer.MAX_VALUE;
    }
  }
}

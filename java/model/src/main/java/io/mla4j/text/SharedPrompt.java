package io.mla4j.text;

import io.mla4j.AttentionForm;
import io.mla4j.Sequence;
import java.util.Arrays;
import java.util.function.Consumer;

/**
 * How far the sequence of a session is the body of a prompt, which others may share. Belongs to the
 * session.
 */
final class SharedPrompt {
  private final SharedCache shared;
  private final String salt;

  /** Tokens that were computed, or taken, as the body of a prompt. */
  private int body;

  SharedPrompt(SharedCache shared, String salt) {
    this.shared = shared;
    this.salt = salt;
  }

  /** What a fork of the session goes on with. */
  SharedPrompt fork() {
    SharedPrompt copy = new SharedPrompt(shared, salt);
    copy.body = body;
    return copy;
  }

  /** Whether all that is cached is body. */
  boolean isBody(Sequence sequence) {
    return body == sequence.length();
  }

  /**
   * Takes what is known of the body of {@code ids}, has the rest computed, and lets others share
   * it. Does nothing where more is cached than the body of a prompt.
   *
   * @param step appends tokens to the sequence
   */
  void fill(Sequence sequence, int[] ids, Consumer<int[]> step) {
    int end = shared.cut().endOfBody(ids.length);
    if (!isBody(sequence) || body >= end) {
      return;
    }
    int[] all = Arrays.copyOf(ids, end);
    if (body % shared.cache().pageSize() == 0) {
      body = shared.prefixes().share(sequence, salt, all);
    }
    if (body == end) {
      return;
    }
    sequence.form(shared.cut().formOfBody());
    try {
      while (body < end) {
        step.accept(Arrays.copyOfRange(all, body, shared.cut().endOfStep(body, end)));
        body = sequence.length();
      }
    } finally {
      sequence.form(AttentionForm.AUTO);
    }
    shared.prefixes().publish(sequence, salt, all);
  }

  /** Where to truncate a sequence that is to keep up to {@code length} tokens. */
  int keep(int length) {
    int kept = length <= body ? shared.cut().cut(length) : length;
    body = Math.min(body, kept);
    return kept;
  }
}

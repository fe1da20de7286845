package io.mla4j.engine;

import io.mla4j.Mla4jException;
import io.mla4j.ops.Tensor;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** What follows a text becomes its next token, and tells whether it ends. Belongs to the loop. */
final class Chooser {
  private final EngineModel model;
  private final int contextTokens;
  private final Meters meters;

  Chooser(EngineModel model, int contextTokens, Meters meters) {
    this.model = model;
    this.contextTokens = contextTokens;
    this.meters = meters;
  }

  /**
   * Chooses and tells the answer.
   *
   * @param row logits (vocabulary) F32
   * @return why the text ends with it, or null where it goes on
   * @throws RuntimeException where the logits are no numbers, or a constraint fails
   */
  @Nullable FinishReason choose(Text text, Tensor row, long now) {
    MemorySegment logits = row.segment();
    if (text.constraint != null && text.allowed != null) {
      text.constraint.mask(text.allowed);
    }
    int id = text.sampler.next(logits, text.allowed);
    Request request = text.ticket.request;
    TokenLogprob logprob =
        request.logprobs() < 0 ? null : Logprobs.of(logits, id, request.logprobs());
    text.push(id);
    FinishReason reason = accept(text, id);
    measure(text, now);
    text.ticket.answer.add(new Event.Token(text.choice, id, text.writer.take(), logprob));
    return reason;
  }

  private @Nullable FinishReason accept(Text text, int id) {
    Request request = text.ticket.request;
    if (request.stopIds().contains(id) || !request.ignoreEos() && model.eos().contains(id)) {
      text.writer.finish();
      return FinishReason.STOP;
    }
    if (text.constraint != null) {
      text.constraint.accept(id);
    }
    if (text.writer.accept(id)) {
      return FinishReason.STOP;
    }
    FinishReason reason = null;
    if (text.constraint != null && text.constraint.isComplete()) {
      reason = FinishReason.STOP;
    } else if (text.generated() == request.maxTokens()) {
      reason = FinishReason.LENGTH;
    } else if (text.count > contextTokens) {
      reason = FinishReason.CONTEXT;
    }
    return reason != null && text.writer.finish() ? FinishReason.STOP : reason;
  }

  private void measure(Text text, long now) {
    if (text.lastToken == 0) {
      meters.firstToken.add(now - text.ticket.submitted);
      if (text.prefill != null) {
        text.prefill.end(text);
        text.prefill = null;
      }
    } else {
      meters.betweenTokens.add(now - text.lastToken);
    }
    text.lastToken = now;
    Meters.add(meters.generatedTokens, 1);
  }

  /** What failed, as callers are told. */
  static Mla4jException explained(Throwable error) {
    return error instanceof Mla4jException known
        ? known
        : new Mla4jException("a step failed: " + error, error);
  }
}

package io.mla4j.langchain4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.PartialResponse;
import dev.langchain4j.model.chat.response.PartialResponseContext;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.chat.response.StreamingHandle;
import io.mla4j.engine.Engine;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/**
 * Given an answer that would have many pieces, when its handler cancels it at one of them, then the
 * engine has ended it and nothing more is called.
 */
class CancellationTest {
  private static final int PIECES = 5;

  /** Counts all calls, and cancels at one. */
  private static final class Canceller implements StreamingChatResponseHandler {
    final AtomicInteger calls = new AtomicInteger();
    final CompletableFuture<StreamingHandle> cancelled = new CompletableFuture<>();

    @Override
    public void onPartialResponse(PartialResponse piece, PartialResponseContext context) {
      if (calls.incrementAndGet() == PIECES) {
        context.streamingHandle().cancel();
        context.streamingHandle().cancel();
        cancelled.complete(context.streamingHandle());
      }
    }

    @Override
    public void onCompleteResponse(ChatResponse response) {
      calls.incrementAndGet();
    }

    @Override
    public void onError(Throwable error) {
      calls.incrementAndGet();
    }
  }

  @Test
  void engineStopsAndNothingMoreIsCalled() throws Exception {
    Canceller handler = new Canceller();
    try (Engine engine = ScriptedEngine.open((user, results) -> List.of("and so on ".repeat(300)));
        Mla4jStreamingChatModel model =
            Mla4jStreamingChatModel.builder().engine(engine).maxOutputTokens(2000).build()) {
      model.chat("Tell me a long story", handler);
      assertTrue(handler.cancelled.get().isCancelled());
      while (engine.statistics().load().running() > 0) {
        Thread.onSpinWait();
      }
      assertTrue(engine.statistics().counts().generatedTokens() < 2000);
    }
    assertEquals(PIECES, handler.calls.get());
  }
}

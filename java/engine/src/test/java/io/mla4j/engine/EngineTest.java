package io.mla4j.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.mla4j.text.Generation;
import io.mla4j.text.GenerationOptions;
import io.mla4j.text.Model;
import io.mla4j.text.SamplingOptions;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Given the carried model, when requests are served, then they are what the model writes. */
class EngineTest {
  static final Path TINY = Path.of(System.getProperty("mla4j.root"), "models", "tiny-mla");

  @Test
  void oneRequestIsWhatTheModelWrites() throws InterruptedException {
    Generation alone;
    StringBuilder text = new StringBuilder();
    try (Model model = Model.builder(TINY).sharedCache(2048).open()) {
      alone =
          model.generate(
              "Two households, both",
              GenerationOptions.of(40, SamplingOptions.GREEDY),
              text::append);
    }
    EngineOptions options = EngineOptions.builder().build();
    try (Engine engine = Engine.open(TINY, options)) {
      Answer answer =
          engine.submit(Request.builder().prompt("Two households, both").maxTokens(40).build());
      List<Integer> ids = new ArrayList<>();
      StringBuilder written = new StringBuilder();
      Event last = null;
      for (Event event; (event = answer.next()) != null; last = event) {
        if (event instanceof Event.Token token) {
          ids.add(token.id());
          written.append(token.text());
        }
      }
      assertArrayEquals(alone.ids(), ids.stream().mapToInt(Integer::intValue).toArray());
      assertEquals(text.toString(), written.toString());
      Event.Finished end = assertInstanceOf(Event.Finished.class, last);
      assertEquals(FinishReason.LENGTH, end.reason());
      assertNull(answer.next());
      assertEquals(text.toString(), answer.result().join().text());
    }
  }
}

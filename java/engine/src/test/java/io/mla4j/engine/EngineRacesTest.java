package io.mla4j.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.ClosedException;
import io.mla4j.testkit.Race;
import java.time.Duration;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Given an engine that steps, when others submit, cancel, look and close at any moment, then every
 * answer ends, what it has is the text that it would have had alone, and no page is lost.
 */
@Timeout(600)
class EngineRacesTest {
  private static final int VOCABULARY = 1000;

  private static Engine engine() {
    EngineModel model =
        ScriptedModel.ofIds(
            VOCABULARY, Set.of(0), (text, _) -> 1 + (text[0] + text.length) % (VOCABULARY - 2));
    return Engine.over(
        model, EngineOptions.builder().stretch(0).parallel(3).contextTokens(400).build());
  }

  /** Submits one request, reads a part of its answer, cancels it; the text is the expected one. */
  private static void ask(Engine engine, SplittableRandom random) {
    int first = 1 + random.nextInt(50);
    int length = 1 + random.nextInt(60);
    int tokens = 1 + random.nextInt(200);
    int[] prompt = IntStream.range(0, length).map(i -> i == 0 ? first : 1 + i % 500).toArray();
    Answer answer;
    try {
      answer = engine.submit(Request.builder().prompt(prompt).maxTokens(tokens).build());
    } catch (ClosedException e) {
      return;
    }
    long until = System.nanoTime() + random.nextInt(400_000);
    while (System.nanoTime() < until) {
      Thread.onSpinWait();
    }
    if (random.nextInt(3) > 0) {
      answer.cancel();
    }
    for (Result.Choice choice : answer.result().join().choices()) {
      int[] ids = choice.ids();
      assertArrayEquals(
          IntStream.range(length, length + ids.length)
              .map(n -> 1 + (first + n) % (VOCABULARY - 2))
              .toArray(),
          ids);
      assertTrue(ids.length <= tokens);
    }
  }

  @Test
  void cancellingWhileItSteps() {
    Race.run(
        (_, random) -> {
          try (Engine engine = engine()) {
            SplittableRandom one = random.split();
            SplittableRandom two = random.split();
            Race.together(
                random,
                200_000,
                () -> IntStream.range(0, 4).forEach(_ -> ask(engine, one)),
                () -> IntStream.range(0, 4).forEach(_ -> ask(engine, two)),
                () -> IntStream.range(0, 20).forEach(_ -> engine.running()));
            assertTrue(engine.drain(Duration.ofSeconds(30)));
            assertEquals(0, engine.statistics().cache().usedPages());
          }
        });
  }

  @Test
  void closingWhileItStepsAndWhileOthersSubmit() {
    Race.run(
        (_, random) -> {
          Engine engine = engine();
          SplittableRandom one = random.split();
          SplittableRandom two = random.split();
          Race.together(
              random,
              500_000,
              () -> IntStream.range(0, 6).forEach(_ -> ask(engine, one)),
              () -> IntStream.range(0, 6).forEach(_ -> ask(engine, two)),
              engine::close,
              engine::close);
        });
  }
}

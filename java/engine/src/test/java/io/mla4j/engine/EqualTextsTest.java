package io.mla4j.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import io.mla4j.ComputeType;
import io.mla4j.testkit.QuickRun;
import io.mla4j.text.SamplingOptions;
import io.mla4j.text.SamplingOptions.Penalties;
import io.mla4j.text.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Given a carried model and mixed requests, when they are served together, in a cache too small for
 * them, while others are cancelled, then each has the tokens that it has alone.
 */
class EqualTextsTest {
  private static final Path MODELS = Path.of(System.getProperty("mla4j.root"), "models");
  private static int[] text;

  @BeforeAll
  static void readText() throws IOException {
    Path model = MODELS.resolve("tiny-mla");
    try (Tokenizer tokenizer = Tokenizer.open(model)) {
      text = tokenizer.encode(Files.readString(model.resolve("heldout.txt")), false);
    }
  }

  /** Prompts of 1 to 300 tokens, some with the same beginning; greedy and sampled. */
  private static List<Request> requests(int count, boolean apart) {
    Random random = new Random(18);
    List<Request> all = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      int length = i % 3 == 0 ? 130 + random.nextInt(170) : 1 + random.nextInt(140);
      int from = i % 4 == 0 ? 0 : random.nextInt(text.length - length);
      SamplingOptions sampling =
          switch (i % 4) {
            case 0 -> SamplingOptions.GREEDY;
            case 1 -> new SamplingOptions(0.8, 0, 0.95, 0, 1, i);
            case 2 -> new SamplingOptions(1.1, 40, 1, 0.05, 1.2, i);
            default ->
                new SamplingOptions(
                    0.7, 0, 1, 0, new Penalties(1, 0.5, 0.3), Map.of(5, 2.0, 17, -3.0), i);
          };
      all.add(
          Request.builder()
              .prompt(Arrays.copyOfRange(text, from, from + length))
              .sampling(sampling)
              .maxTokens(5 + random.nextInt(60))
              .n(i == 5 ? 3 : 1)
              .tenant(apart ? "tenant " + i : i % 5 == 0 ? "other" : "")
              .logprobs(i == 6 ? 3 : -1)
              .build());
    }
    return all;
  }

  private static String texts(Answer answer) {
    StringBuilder all = new StringBuilder();
    for (Result.Choice choice : answer.result().join().choices()) {
      all.append(Arrays.toString(choice.ids()))
          .append(choice.logprobs())
          .append(choice.reason())
          .append(choice.text());
    }
    return all.toString();
  }

  private static EngineOptions.Builder options(String backend, ComputeType compute) {
    return EngineOptions.builder().backend(backend).compute(compute).threads(1).stretch(0);
  }

  @ParameterizedTest
  @CsvSource({
    "tiny-mla, scalar, F32, 4",
    "tiny-mla, vector, F32, 8",
    "tiny-mla, native, BF16, 16",
    "tiny-gqa, native, BF16, 12"
  })
  void requestsHaveTheTokensThatTheyHaveAlone(
      String name, String backend, ComputeType compute, int count) throws InterruptedException {
    assumeFalse(QuickRun.leavesOut(backend), backend + " is left out of a quick run");
    Path model = MODELS.resolve(name);
    List<String> alone = new ArrayList<>();
    long pageBytes;
    try (Engine engine =
        Engine.open(model, options(backend, compute).parallel(1).contextTokens(512).build())) {
      // Tenants share nothing.
      for (Request request : requests(count, true)) {
        alone.add(texts(engine.submit(request)));
      }
      pageBytes = engine.statistics().cache().pageBytes();
      assertEquals(0, engine.statistics().counts().cachedTokens());
    }
    EngineOptions small =
        options(backend, compute)
            .contextTokens(512)
            .cacheMemory(pageBytes * 14)
            .tokenBudget(48)
            .build();
    try (Engine engine = Engine.open(model, small)) {
      List<Answer> answers = new ArrayList<>();
      List<Answer> cancelled = new ArrayList<>();
      for (Request request : requests(count, false)) {
        answers.add(engine.submit(request));
        if (answers.size() % 4 == 0) {
          cancelled.add(engine.submit(request));
        }
      }
      for (Answer one : cancelled) {
        one.next();
        one.cancel();
      }
      for (int i = 0; i < count; i++) {
        assertEquals(alone.get(i), texts(answers.get(i)), "request " + i);
      }
      Statistics after = engine.statistics();
      assertTrue(after.counts().putBack() > 0 || count < 8, "nothing was put back: " + after);
      assertEquals(0, after.cache().usedPages());
    }
  }
}

package io.mla4j.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Given models whose texts cannot share a beginning, since layers have the state of a recurrence or
 * rotations depend on the length of a text, when the cache is too small for all texts, then those
 * that were put back go on as they would have alone.
 */
@Timeout(60)
class PutBackTest {
  private static final Path MODELS =
      Path.of(System.getProperty("mla4j.root"), "java/model/src/test/resources/golden");

  private static final int TEXTS = 6;
  private static final int PAGES = 6;

  private static List<Request> requests(int vocabulary) {
    SplittableRandom random = new SplittableRandom(5);
    List<Request> all = new ArrayList<>();
    for (int i = 0; i < TEXTS; i++) {
      int[] prompt = random.ints(20 + 15 * i, 3, vocabulary).toArray();
      all.add(Request.builder().prompt(prompt).maxTokens(70).ignoreEos(true).build());
    }
    return all;
  }

  private static String ids(Answer answer) {
    return Arrays.toString(answer.result().join().choices().getFirst().ids());
  }

  private static EngineOptions.Builder options() {
    return EngineOptions.builder().backend("scalar").threads(1).stretch(0).contextTokens(192);
  }

  @ParameterizedTest
  @ValueSource(strings = {"kimi-linear", "minicpm3", "v3-dynamic-ntk"})
  void textsGoOnAsTheyWouldHaveAlone(String name) {
    List<String> alone = new ArrayList<>();
    List<Request> requests;
    long pageBytes;
    try (Engine engine = Engine.open(MODELS.resolve(name), options().parallel(1).build())) {
      requests = requests(engine.model().vocabulary());
      requests.forEach(request -> alone.add(ids(engine.submit(request))));
      pageBytes = engine.statistics().cache().pageBytes();
    }
    EngineOptions small = options().cacheMemory(PAGES * pageBytes).parallel(TEXTS).build();
    try (Engine engine = Engine.open(MODELS.resolve(name), small)) {
      List<Answer> together = requests.stream().map(engine::submit).toList();
      for (int i = 0; i < TEXTS; i++) {
        assertEquals(alone.get(i), ids(together.get(i)), "text " + i);
      }
      assertTrue(engine.statistics().counts().putBack() > 0, engine.statistics().toString());
      assertEquals(0, engine.statistics().cache().usedPages());
    }
  }
}

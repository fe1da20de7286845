package io.mla4j.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.checkpoint.GoldenCheckpointsTest;
import io.mla4j.text.Model;
import io.mla4j.text.SamplingOptions;
import io.mla4j.text.Session;
import io.mla4j.text.Speculation;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Models that cache keys and values have what the others have: what texts begin with is shared,
 * forks and rewound sessions go on, a text comes back from its file, and guesses change no bit.
 */
class GroupedModelTest {
  private static final Path TINY_GQA = GoldenCheckpointsTest.TINY_MLA.resolveSibling("tiny-gqa");

  private static final int TOKENS = 40;
  private static final int PAGE = 8;

  @TempDir private Path directory;

  private static Model.Builder builder(String name) {
    return Model.builder(Golden.directory(name)).withoutTokenizer().threads(1).pageSize(PAGE);
  }

  private static int[] ids(String name) {
    return Arrays.copyOf(Golden.read(name).inputIds(), TOKENS);
  }

  private static float[][] goOn(Session session, int... ids) {
    session.append(ids);
    float[][] logits = new float[3][];
    for (int i = 0; i < logits.length; i++) {
      logits[i] = session.logits();
      session.next(SamplingOptions.GREEDY);
    }
    return logits;
  }

  private static void assertSame(float[][] expected, float[][] actual, String message) {
    for (int i = 0; i < expected.length; i++) {
      assertArrayEquals(expected[i], actual[i], message + ", token " + i);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"llama-mha", "llama-mqa", "qwen2-gqa", "qwen3-gqa", "mistral-gqa"})
  void textsShareTheirBeginnings(String name) {
    int[] ids = ids(name);
    for (CacheType type : CacheType.all()) {
      for (ComputeType compute : ComputeType.values()) {
        try (Model model = builder(name).cacheType(type).compute(compute).sharedCache(512).open();
            Session first = model.session("a");
            Session alone = model.session("b");
            Session second = model.session("a")) {
          float[][] expected = goOn(alone, ids);
          int[] other = ids.clone();
          other[TOKENS - 3]++;
          goOn(first, other);
          String what = name + " " + type + " " + compute;
          assertSame(expected, goOn(second, ids), what);
          assertEquals(
              (TOKENS - 3) / PAGE * PAGE, model.sharing().orElseThrow().tokensShared(), what);
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"llama-mha", "llama-mqa", "qwen2-gqa"})
  void forksAndRewoundSessionsGoOn(String name) {
    int[] ids = ids(name);
    // Rows of a step that is cut elsewhere have the same bits where kernels sum one by one.
    try (Model model = builder(name).backend("scalar").sharedCache(512).open();
        Session session = model.session("a")) {
      float[][] expected = goOn(session, ids);
      for (int length : new int[] {0, 5, PAGE, 37}) {
        session.truncate(length);
        int[] rest = Arrays.copyOfRange(ids, length, TOKENS);
        try (Session fork = session.fork()) {
          assertSame(expected, goOn(fork, rest), name + ", fork at " + length);
        }
        assertSame(expected, goOn(session, rest), name + ", rewound to " + length);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"llama-mha", "llama-mqa", "qwen3-gqa"})
  void aTextComesBackFromItsFile(String name) {
    Path file = directory.resolve("text");
    for (CacheType type : CacheType.all()) {
      try (Model model = builder(name).cacheType(type).open();
          Session session = model.session()) {
        session.append(ids(name));
        session.save(file);
        try (Session loaded = model.load(file)) {
          assertSame(goOn(session), goOn(loaded), name + " " + type);
        }
      }
    }
  }

  @Test
  void guessesChangeNoBit() {
    for (ComputeType compute : ComputeType.values()) {
      try (Model model = Model.builder(TINY_GQA).threads(1).compute(compute).open();
          Session plain = model.session();
          Session guessing = model.session()) {
        String prompt = "And the LORD said unto Moses, And the LORD said unto Aaron, And the";
        plain.append(prompt);
        guessing.append(prompt);
        guessing.speculate(Speculation.LOOKUP);
        for (int i = 0; i < 48; i++) {
          assertEquals(plain.next(SamplingOptions.GREEDY), guessing.next(SamplingOptions.GREEDY));
        }
        assertArrayEquals(plain.logits(), guessing.logits(), compute.name());
        assertTrue(guessing.speculated().acceptedPerPass() > 0, compute.name());
      }
    }
  }
}

package io.mla4j.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.AttentionForm;
import io.mla4j.Backends;
import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.InvalidArgumentException;
import io.mla4j.PrefixCache;
import io.mla4j.checkpoint.GoldenCheckpointsTest;
import io.mla4j.text.Model;
import io.mla4j.text.SamplingOptions;
import io.mla4j.text.Session;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A text that begins with rows which another one computed has the bits of one computed alone. */
class SharedPrefixTest {
  private static final int PAGE = 4;
  private static final int ROOM = 512;
  private static final int TOKENS = 48;

  /** Tokens of a page, and of a chunk: cut at pages where it is no multiple of 16, else as is. */
  private static final int[][] CUTS = {{4, 3}, {4, 512}, {16, 512}};

  private static Model.Builder builder(String name, Device device) {
    return Model.builder(Golden.directory(name))
        .withoutTokenizer()
        .device(device)
        .pageSize(PAGE)
        .sharedCache(ROOM);
  }

  /** Logits after ids, and after some tokens more. */
  private static float[][] logits(Session session, int[]... parts) {
    for (int[] part : parts) {
      session.append(part);
    }
    float[] first = session.logits();
    session.next(SamplingOptions.GREEDY);
    session.next(SamplingOptions.GREEDY);
    return new float[][] {first, session.logits()};
  }

  private static void assertSame(float[][] expected, float[][] actual, String message) {
    assertArrayEquals(expected[0], actual[0], message + ": after the prompt");
    assertArrayEquals(expected[1], actual[1], message + ": two tokens later");
  }

  /** Every length of the beginning, shared with a text that goes on in another way. */
  private static void check(Model.Builder opened, int[] ids, int page, String message) {
    check(opened.pageSize(page), ids, page, 13, message);
  }

  private static void check(Model.Builder opened, int[] ids, int page, int stride, String message) {
    float[][] alone;
    try (Model model = opened.open();
        Session session = model.session("alone")) {
      alone = logits(session, ids);
      for (int same = 1; same < ids.length; same += stride) {
        String salt = "shares " + same;
        int[] other = ids.clone();
        for (int i = same; i < ids.length; i++) {
          other[i] = (ids[i] + 1) % model.description().vocabulary();
        }
        try (Session one = model.session(salt);
            Session two = model.session(salt);
            Session three = model.session(salt)) {
          logits(one, Arrays.copyOf(other, Math.min(ids.length, same + 9)));
          long before = model.sharing().orElseThrow().tokensShared();
          assertSame(alone, logits(two, ids), message + ", " + salt);
          long shared = model.sharing().orElseThrow().tokensShared() - before;
          int end = Math.min(ids.length, same + 9) - 1;
          assertEquals(Math.min(same, end) / page * page, shared, message + ", " + salt);
          int cut = ids.length - same;
          assertSame(
              alone,
              logits(three, Arrays.copyOf(ids, cut), Arrays.copyOfRange(ids, cut, ids.length)),
              message + ", appended in two parts at " + cut);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("io.mla4j.model.GoldenLogitsTest#devices")
  void bitsAreThoseOfATextComputedAlone(Backends.Choice choice) {
    int[] ids = Arrays.copyOf(Golden.read("v2-lite").inputIds(), TOKENS);
    try (Device device = Backends.open(choice)) {
      for (CacheType type : CacheType.all()) {
        for (ComputeType compute : ComputeType.values()) {
          check(device, ids, new int[] {16, 20}, AttentionForm.AUTO, compute, type);
        }
        for (AttentionForm form : List.of(AttentionForm.ABSORBED, AttentionForm.DECOMPRESSED)) {
          check(device, ids, new int[] {16, 20}, form, ComputeType.BF16, type);
        }
      }
      for (int[] cut : CUTS) {
        check(device, ids, cut, AttentionForm.AUTO, ComputeType.BF16, CacheType.BF16);
      }
    }
  }

  private static void check(
      Device device,
      int[] ids,
      int[] cut,
      AttentionForm form,
      ComputeType compute,
      CacheType type) {
    check(
        builder("v2-lite", device).cacheType(type).compute(compute).form(form).chunk(cut[1]),
        ids,
        cut[0],
        device.isa() + " " + type + " " + compute + " " + form + " " + Arrays.toString(cut));
  }

  static List<Backends.Choice> natives() {
    return GoldenLogitsTest.devices().filter(c -> c.backend().equals("native")).toList();
  }

  /** Beyond the blocks of tokens in which kernels rebuild keys and values. */
  @ParameterizedTest(allowZeroInvocations = true)
  @MethodSource("natives")
  void longTextsToo(Backends.Choice choice) {
    int[] ids = new int[330];
    Arrays.setAll(ids, i -> 5 + i * i % 900);
    try (Device device = Backends.open(choice)) {
      for (ComputeType compute : ComputeType.values()) {
        check(
            Model.builder(GoldenCheckpointsTest.TINY_MLA)
                .withoutTokenizer()
                .device(device)
                .compute(compute)
                .sharedCache(4096),
            ids,
            64,
            200,
            choice + " " + compute);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"v32-sparse", "v32-dsa-long", "glm-moe-dsa", "longcat-flash", "mistral4"})
  void allGroupsAreShared(String name) {
    try (Device device = Backends.open(new Backends.Choice(null, null, 1))) {
      int[] ids = Golden.read(name).inputIds();
      check(
          builder(name, device).compute(ComputeType.F32).chunk(16),
          Arrays.copyOf(ids, Math.min(ids.length, TOKENS)),
          PAGE,
          name);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"kimi-linear", "v3-dynamic-ntk"})
  void textsThatCannotShareSaySo(String name) {
    try (Device device = Backends.open(new Backends.Choice("scalar", null, 1))) {
      String message =
          assertThrows(InvalidArgumentException.class, () -> builder(name, device).open())
              .getMessage();
      assertTrue(message.contains("cannot share a beginning"), message);
    }
  }

  @Test
  void pagesOutliveTheirSessionUntilOthersNeedTheRoom() {
    int[] ids = Arrays.copyOf(Golden.read("v2-lite").inputIds(), 40);
    int[] other = ids.clone();
    other[0]++;
    try (Device device = Backends.open(new Backends.Choice("scalar", null, 1));
        Model model = builder("v2-lite", device).sharedCache(48).open()) {
      for (int[] text : new int[][] {ids, ids, other, ids}) {
        try (Session session = model.session()) {
          session.append(text);
          session.logits();
        }
      }
      PrefixCache.Statistics statistics = model.sharing().orElseThrow();
      assertEquals(44, statistics.tokensShared());
      assertTrue(statistics.pagesGivenUp() > 0);
    }
  }

  @Test
  void aForkAndATruncatedSessionGoOnAsBefore() {
    int[] ids = Arrays.copyOf(Golden.read("v2-lite").inputIds(), 40);
    try (Device device = Backends.open(new Backends.Choice("scalar", null, 1));
        Model model = builder("v2-lite", device).open();
        Session session = model.session("a")) {
      float[][] expected = logits(session, ids);
      for (int length : new int[] {0, 3, 17, 36, 39}) {
        session.truncate(length);
        try (Session fork = session.fork()) {
          assertSame(expected, logits(fork, Arrays.copyOfRange(ids, length, 40)), "fork " + length);
        }
        assertSame(
            expected, logits(session, Arrays.copyOfRange(ids, length, 40)), "truncated " + length);
      }
      session.append(session.next(SamplingOptions.GREEDY));
      assertThrows(
          InvalidArgumentException.class, () -> session.append(model.description().vocabulary()));
    }
  }
}

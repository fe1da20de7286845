package io.mla4j.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.Backends;
import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.InvalidStateException;
import io.mla4j.checkpoint.GoldenCheckpointsTest;
import io.mla4j.model.Cancellation;
import io.mla4j.model.GoldenLogitsTest;
import io.mla4j.testkit.QuickRun;
import io.mla4j.text.Generation.FinishReason;
import io.mla4j.text.speculation.Guesser;
import io.mla4j.text.speculation.Mtp;
import io.mla4j.text.speculation.Pace;
import io.mla4j.text.speculation.Speculator;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Texts with guesses are those without, to the bit, whatever is guessed. */
@Timeout(600)
class SpeculationTest {
  private static final Path TINY_MLA = GoldenCheckpointsTest.TINY_MLA;

  private static final Path TINY_MLA_MTP = TINY_MLA.resolveSibling("tiny-mla-mtp");

  /** How many prompts each backend continues: -Dmla4j.speculation.prompts. */
  private static final int PROMPTS =
      Integer.getInteger("mla4j.speculation.prompts", QuickRun.isOn() ? 2 : 4);

  private static final SamplingOptions DRAW = new SamplingOptions(0.9, 0, 0.95, 0, 1.1, 7);

  /** Knows how a text goes on, but is wrong now and then. */
  private static final class Oracle implements Guesser {
    private final int[] text;
    private final double wrong;
    private final int most;
    private final Random random = new Random(1);
    private int at;
    private int left;

    Oracle(int[] text, double wrong, int most) {
      this.text = text;
      this.wrong = wrong;
      this.most = most;
    }

    @Override
    public void begin(int[] ids, int count) {
      at = count;
      left = random.nextInt(most + 1);
    }

    @Override
    public int next() {
      if (left-- == 0) {
        return -1;
      }
      boolean errs = at >= text.length || random.nextDouble() < wrong;
      return errs ? random.nextInt(4096) : text[at++];
    }

    @Override
    public int trust() {
      return 0;
    }

    @Override
    public double expected(int trust) {
      return 1;
    }

    @Override
    public void truncate(int length) {}
  }

  private static Speculator oracle(int[] text, double wrong) {
    Oracle oracle = new Oracle(text, wrong, Pace.MOST);
    return new Speculator(oracle, new Few(oracle, Pace.MOST));
  }

  private static Model open() {
    return Model.builder(TINY_MLA_MTP).threads(1).compute(ComputeType.F32).open();
  }

  private static List<String> prompts(int count) throws Exception {
    String text = Files.readString(TINY_MLA.resolve("heldout.txt"));
    return IntStream.range(0, count)
        .mapToObj(i -> text.substring(i * 613, i * 613 + 30 + i % 5 * 70))
        .toList();
  }

  private static SamplingOptions sampling(int i) {
    return switch (i % 4) {
      case 0, 2 -> SamplingOptions.GREEDY;
      case 1 -> new SamplingOptions(0.8, 0, 0.95, 0, 1, i);
      default -> new SamplingOptions(0.7, 40, 1, 0.02, 1.2, i);
    };
  }

  private static int[] next(Session session, SamplingOptions how, int count) {
    int[] ids = new int[count];
    for (int i = 0; i < count; i++) {
      ids[i] = session.next(how);
    }
    return ids;
  }

  @ParameterizedTest
  @MethodSource("io.mla4j.model.GoldenLogitsTest#devices")
  void everyBackendWritesTheSameText(Backends.Choice choice) throws Exception {
    boolean slow = choice.backend().equals("scalar");
    int length = slow ? 24 : 48;
    try (Device device = Backends.open(choice)) {
      for (ComputeType compute : List.of(ComputeType.F32, ComputeType.BF16)) {
        // Some: each type and each chunk, but not each with each.
        int[] both = {512, 7};
        int[] one = {compute == ComputeType.F32 ? 7 : 512};
        for (int chunk : GoldenLogitsTest.isTestedWhole(choice) ? both : one) {
          try (Model model =
              Model.builder(TINY_MLA_MTP).device(device).compute(compute).chunk(chunk).open()) {
            String what = choice + " " + compute + " chunk " + chunk;
            compare(model, slow ? Math.min(2, PROMPTS) : PROMPTS, length, what);
          }
        }
      }
    }
  }

  private static void compare(Model model, int count, int length, String what) throws Exception {
    List<String> prompts = prompts(count);
    for (int i = 0; i < prompts.size(); i++) {
      SamplingOptions how = sampling(i);
      try (Session plain = model.session();
          Session looking = model.session();
          Session predicting = model.session();
          Session told = model.session()) {
        plain.append(prompts.get(i));
        looking.append(prompts.get(i));
        // From the prompt on, or from later on.
        if (i % 2 == 0) {
          predicting.speculate(Speculation.MTP);
        }
        predicting.append(prompts.get(i));
        told.append(prompts.get(i));
        int[] expected = next(plain, how, length);
        looking.speculate(Speculation.LOOKUP);
        predicting.speculate(Speculation.MTP);
        told.guessWith(oracle(plain.ids(), 0.2));
        assertArrayEquals(expected, next(looking, how, length), what + ", looked up, " + i);
        assertArrayEquals(expected, next(predicting, how, length), what + ", predicted, " + i);
        assertArrayEquals(expected, next(told, how, length), what + ", told, " + i);
        assertArrayEquals(plain.logits(), looking.logits(), what + ", looked up, " + i);
        assertArrayEquals(plain.logits(), predicting.logits(), what + ", predicted, " + i);
        assertArrayEquals(plain.logits(), told.logits(), what + ", told, " + i);
        assertTrue(told.speculated().acceptedPerPass() > 0.8, told.speculated().toString());
      }
    }
  }

  @Test
  void sessionsInABatchOfTurnsWriteTheSameText() throws Exception {
    try (Model model = open()) {
      List<String> prompts = prompts(3);
      List<Session> plain = new ArrayList<>();
      List<Session> guessing = new ArrayList<>();
      for (String prompt : prompts) {
        Session session = model.session();
        session.append(prompt);
        plain.add(session);
        Session other = model.session();
        other.append(prompt);
        other.speculate(Speculation.LOOKUP);
        guessing.add(other);
      }
      for (int i = 0; i < 40; i++) {
        for (int s = 0; s < plain.size(); s++) {
          assertEquals(plain.get(s).next(DRAW), guessing.get(s).next(DRAW));
        }
      }
    }
  }

  /** Whatever is done between two tokens, no guess is left over. */
  @Test
  void nothingThatASessionCanDoTellsThatThereWereGuesses() {
    try (Model model = open()) {
      for (int seed = 0; seed < 6; seed++) {
        Random random = new Random(seed);
        Session plain = model.session(400);
        Session guessing = model.session(400);
        plain.append("And it came to pass");
        guessing.append("And it came to pass");
        int[] future;
        try (Session ahead = plain.fork()) {
          next(ahead, SamplingOptions.GREEDY, 150);
          future = ahead.ids();
        }
        guessing.guessWith(oracle(future, 0.15));
        for (int i = 0; i < 60; i++) {
          int kind = random.nextInt(12);
          SamplingOptions how = kind == 0 ? DRAW : SamplingOptions.GREEDY;
          switch (kind) {
            case 1 -> {
              int[] more = random.ints(1 + random.nextInt(3), 0, 4096).toArray();
              plain.append(more);
              guessing.append(more);
            }
            case 2 -> {
              int length = plain.length() - random.nextInt(Math.min(6, plain.length()));
              plain.truncate(length);
              guessing.truncate(length);
            }
            case 3 -> assertArrayEquals(plain.logits(), guessing.logits());
            case 4 -> {
              try (Session one = plain.fork();
                  Session other = guessing.fork()) {
                assertArrayEquals(next(one, DRAW, 3), next(other, DRAW, 3));
              }
            }
            default -> assertEquals(plain.next(how), guessing.next(how));
          }
          assertArrayEquals(plain.ids(), guessing.ids());
        }
        plain.close();
        guessing.close();
      }
    }
  }

  @ParameterizedTest
  @EnumSource(Speculation.class)
  void anEndInTheMiddleOfARunIsAnEnd(Speculation how) {
    // Goes round in circles, so that long runs are accepted.
    String prompt = "a b c d e f g h a b c d e f g h a b c d e f g h a b c d e f g h a b c d";
    try (Model model = open()) {
      GenerationOptions plain = GenerationOptions.of(60, SamplingOptions.GREEDY);
      Generation whole = model.generate(prompt, plain, _ -> {});
      for (int most : new int[] {1, 2, 17, 59}) {
        GenerationOptions upTo = GenerationOptions.of(most, SamplingOptions.GREEDY).speculate(how);
        Generation some = model.generate(prompt, upTo, _ -> {});
        assertArrayEquals(Arrays.copyOf(whole.ids(), most), some.ids());
        assertEquals(FinishReason.LENGTH, some.finishReason());
      }
      String text = whole.text();
      for (int at : new int[] {5, text.length() / 2, text.length() - 8}) {
        String stop = text.substring(at, at + 5);
        Generation expected = model.generate(prompt, plain.stopAt(stop), _ -> {});
        StringBuilder heard = new StringBuilder();
        Generation stopped =
            model.generate(prompt, plain.stopAt(stop).speculate(how), heard::append);
        assertEquals(FinishReason.STOP, stopped.finishReason());
        assertArrayEquals(expected.ids(), stopped.ids());
        assertEquals(expected.text(), stopped.text());
        assertEquals(expected.text(), heard.toString());
      }
    }
  }

  @ParameterizedTest
  @EnumSource(Speculation.class)
  void theContextEndsWhereItDoes(Speculation how) {
    try (Model model = open();
        Session session = model.session(2048)) {
      int[] prompt = new int[2040];
      Arrays.setAll(prompt, i -> 300 + i % 7);
      session.speculate(how);
      session.append(prompt);
      while (!session.isFull()) {
        session.next(SamplingOptions.GREEDY);
      }
      assertEquals(2049, session.length());
      GenerationOptions options = GenerationOptions.of(100, SamplingOptions.GREEDY);
      Generation plain = model.generate(prompt, options, _ -> {});
      Generation generation = model.generate(prompt, options.speculate(how), _ -> {});
      assertEquals(plain.finishReason(), generation.finishReason());
      assertArrayEquals(plain.ids(), generation.ids());
    }
  }

  /** Without room for guesses tokens come one by one; without room for one, as always. */
  @Test
  void aFullPoolHasRoomForTheTextAndNotForGuesses() {
    try (Model model = Model.builder(TINY_MLA).threads(1).pageSize(8).open();
        Session session = model.session(40)) {
      int[] prompt = new int[30];
      Arrays.setAll(prompt, i -> 300 + i % 5);
      session.append(prompt);
      int[] future;
      try (Session other = model.session(41)) {
        other.append(prompt);
        next(other, SamplingOptions.GREEDY, 11);
        future = other.ids();
      }
      session.guessWith(oracle(future, 0));
      assertArrayEquals(
          Arrays.copyOfRange(future, 30, 41), next(session, SamplingOptions.GREEDY, 11));
      assertThrows(io.mla4j.CacheFullException.class, () -> session.next(SamplingOptions.GREEDY));
      assertArrayEquals(future, session.ids());
    }
  }

  @ParameterizedTest
  @EnumSource(Speculation.class)
  void aCancelledGenerationKeepsWhatWasGiven(Speculation how) {
    try (Model model = open()) {
      GenerationOptions options = GenerationOptions.of(200, SamplingOptions.GREEDY).speculate(how);
      Generation whole = model.generate("And it came to pass", options, _ -> {});
      Cancellation cancellation = new Cancellation();
      StringBuilder heard = new StringBuilder();
      Generation some =
          model.generate(
              "And it came to pass",
              options.cancelledBy(cancellation),
              piece -> {
                heard.append(piece);
                if (heard.length() > 60) {
                  cancellation.cancel();
                }
              });
      assertEquals(FinishReason.CANCELLED, some.finishReason());
      assertArrayEquals(Arrays.copyOf(whole.ids(), some.ids().length), some.ids());
      assertTrue(some.ids().length < 60, "it ended at once");
    }
  }

  @Test
  void aChatIsTheSameTurnAfterTurn() {
    try (Model model = open();
        Chat plain = model.chat();
        Chat guessing = model.chat()) {
      GenerationOptions options = GenerationOptions.of(40, SamplingOptions.GREEDY);
      for (String words : List.of("And God said,", "And it came to pass", "And God said,")) {
        Generation expected = plain.say(ChatMessage.user(words), options, _ -> {});
        Generation answer =
            guessing.say(ChatMessage.user(words), options.speculate(Speculation.LOOKUP), _ -> {});
        assertArrayEquals(expected.ids(), answer.ids());
        assertEquals(expected.text(), answer.text());
      }
    }
  }

  /** Of the carried layer, whose guesses are mostly right: all of them are checked. */
  @Test
  void predictionsAreMostlyRightAlsoBehindOthersAndAfterCuts() throws Exception {
    try (Model model = open()) {
      for (String prompt : prompts(3)) {
        try (Session plain = model.session();
            Session predicting = model.session()) {
          Mtp mtp = new Mtp(model.guessers.predictor(), 4096);
          predicting.guessWith(new Speculator(mtp, new Few(mtp, 3)));
          plain.append(prompt);
          predicting.append(prompt);
          assertArrayEquals(
              next(plain, SamplingOptions.GREEDY, 60),
              next(predicting, SamplingOptions.GREEDY, 60));
          plain.truncate(plain.length() - 20);
          predicting.truncate(predicting.length() - 20);
          plain.append(prompt);
          predicting.append(prompt);
          assertArrayEquals(
              next(plain, SamplingOptions.GREEDY, 60),
              next(predicting, SamplingOptions.GREEDY, 60));
          Speculation.Figures figures = predicting.speculated();
          assertTrue(figures.acceptedPerPass() > 0.8, figures.toString());
        }
      }
    }
  }

  /** Lets up to so many guesses through. */
  private static final class Few extends Pace {
    private final int most;

    Few(Guesser guesser, int most) {
      super(guesser);
      this.most = most;
    }

    @Override
    public boolean mayGuess(double nanos) {
      return true;
    }

    @Override
    public boolean paysOneMore(int guesses, double expected, double likely, double nanos) {
      return guesses < most;
    }

    @Override
    public int best(double[] chances, int count) {
      return count;
    }
  }

  @Test
  void aStateThatCannotBeRewoundIsNotGuessedOn() throws URISyntaxException {
    Path hybrid = Path.of(SpeculationTest.class.getResource("/golden/kimi-linear").toURI());
    try (Model model = Model.builder(hybrid).withoutTokenizer().open();
        Session session = model.session(64)) {
      InvalidStateException error =
          assertThrows(InvalidStateException.class, () -> session.speculate(Speculation.LOOKUP));
      assertTrue(error.getMessage().contains("recurrence"), error.getMessage());
      GenerationOptions options =
          GenerationOptions.of(4, SamplingOptions.GREEDY).speculate(Speculation.LOOKUP);
      assertThrows(
          InvalidStateException.class, () -> model.generate(new int[] {0, 5}, options, _ -> {}));
    }
  }
}

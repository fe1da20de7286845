package io.mla4j.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.ClosedException;
import io.mla4j.InvalidArgumentException;
import io.mla4j.Mla4jException;
import io.mla4j.text.Speculation;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Semaphore;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Given a scripted model, when many requests come, then each has its turn, its pages and its text.
 */
@Timeout(60)
class SchedulerTest {
  private static final int VOCABULARY = 1000;
  private static final int EOS = 0;
  private static final int FAILS = 999;
  private static final int PAGE = 16;

  /**
   * Counts on: what follows n tokens that begin with b is b + n; a prompt may say that it fails.
   */
  private static int next(int[] text, int prompt) {
    if (text[0] == FAILS && text.length > prompt + 2) {
      throw new Mla4jException("a kernel failed");
    }
    return 1 + (text[0] + text.length) % (VOCABULARY - 2);
  }

  private static ScriptedModel script() {
    return ScriptedModel.ofIds(VOCABULARY, Set.of(EOS), SchedulerTest::next);
  }

  private static int[] prompt(int first, int length) {
    return IntStream.range(0, length).map(i -> i == 0 ? first : 1 + i % 500).toArray();
  }

  private static Request.Builder request(int first, int length, int tokens) {
    return Request.builder().prompt(prompt(first, length)).maxTokens(tokens);
  }

  private static int[] expected(int first, int length, int tokens) {
    return IntStream.range(length, length + tokens)
        .map(n -> 1 + (first + n) % (VOCABULARY - 2))
        .toArray();
  }

  /** Bytes of so many pages of the scripted model. */
  private static long pages(int count) {
    try (Engine engine =
        Engine.over(script(), EngineOptions.builder().parallel(1).contextTokens(16).build())) {
      return count * engine.statistics().cache().pageBytes();
    }
  }

  private static int[] ids(Answer answer) {
    return answer.result().join().choices().getFirst().ids();
  }

  private static void awaitIdle(Engine engine) throws InterruptedException {
    while (!engine.running().isEmpty()) {
      Thread.sleep(1);
    }
  }

  private static EngineOptions.Builder options() {
    return EngineOptions.builder().stretch(0).contextTokens(2048).speculation(Speculation.OFF);
  }

  @Test
  void tenantsTakeTurns() {
    Semaphore steps = new Semaphore(0);
    RecordedModel model = new RecordedModel(script(), steps);
    try (Engine engine = Engine.over(model, options().parallel(1).build())) {
      List<Answer> answers = new ArrayList<>();
      for (int i = 0; i < 6; i++) {
        answers.add(engine.submit(request(10 + i, 4, 2).tenant("many").build()));
      }
      answers.add(engine.submit(request(20, 4, 2).tenant("few").build()));
      answers.add(engine.submit(request(21, 4, 2).tenant("few").build()));
      steps.release(1000);
      answers.forEach(SchedulerTest::ids);
      List<Integer> order = new ArrayList<>();
      for (List<RecordedModel.Part> step : model.made) {
        int first = step.getFirst().firstId();
        if (!order.contains(first)) {
          order.add(first);
        }
      }
      assertEquals(10, order.getFirst());
      assertTrue(order.indexOf(20) <= 2 && order.indexOf(21) <= 4, order.toString());
    }
  }

  @Test
  void aLongPromptIsReadInPiecesWhileOthersGetATokenAStep() {
    RecordedModel model = new RecordedModel(script(), null);
    try (Engine engine = Engine.over(model, options().tokenBudget(64).build())) {
      List<Answer> answers = new ArrayList<>();
      for (int i = 0; i < 5; i++) {
        answers.add(engine.submit(request(10 + i, 10, 80).build()));
      }
      answers.add(engine.submit(request(20, 1500, 3).build()));
      answers.forEach(SchedulerTest::ids);
      int reading = 0;
      for (List<RecordedModel.Part> step : model.made) {
        int read =
            step.stream().filter(part -> !part.isDecode()).mapToInt(p -> p.to() - p.from()).sum();
        assertTrue(read <= 64, "a step read " + read);
        reading += read > 0 ? 1 : 0;
      }
      assertTrue(reading >= 1500 / 64, "read in " + reading + " steps");
      for (int i = 0; i < 5; i++) {
        int first = 10 + i;
        int begun = 0;
        int decoded = 0;
        for (List<RecordedModel.Part> step : model.made) {
          boolean in = step.stream().anyMatch(part -> part.firstId() == first && part.isDecode());
          decoded += in ? 1 : 0;
          begun += in || decoded > 0 && decoded < 79 ? 1 : 0;
        }
        assertEquals(79, decoded);
        assertEquals(79, begun, "steps from its first token to its last");
      }
    }
  }

  @Test
  void aShortPromptNeedNotWaitForALongOne() {
    Semaphore steps = new Semaphore(0);
    RecordedModel model = new RecordedModel(script(), steps);
    try (Engine engine = Engine.over(model, options().tokenBudget(64).build())) {
      Answer slow = engine.submit(request(10, 1500, 1).build());
      Answer quick = engine.submit(request(11, 40, 1).build());
      steps.release(1000);
      ids(slow);
      ids(quick);
      int read = 0;
      while (model.made.get(read).stream().noneMatch(part -> part.firstId() == 11)) {
        read++;
      }
      assertTrue(read <= 3, "began in step " + read);
    }
  }

  @Test
  void theYoungestIsPutBackAndHasItsTextAllTheSame() throws InterruptedException {
    RecordedModel model = new RecordedModel(script(), null);
    EngineOptions options = options().contextTokens(256).cacheMemory(pages(24)).build();
    try (Engine engine = Engine.over(model, options)) {
      List<Answer> answers = new ArrayList<>();
      for (int i = 0; i < 12; i++) {
        answers.add(engine.submit(request(10 + i, 20 + i, 100).n(i == 3 ? 2 : 1).build()));
      }
      for (int i = 0; i < 12; i++) {
        assertArrayEquals(expected(10 + i, 20 + i, 100), ids(answers.get(i)), "request " + i);
      }
      awaitIdle(engine);
      assertTrue(engine.statistics().counts().putBack() > 0);
      assertEquals(0, engine.statistics().cache().usedPages());
      // The oldest goes through: its tokens are computed once.
      int computed = 0;
      for (List<RecordedModel.Part> step : model.made) {
        computed +=
            step.stream().filter(p -> p.firstId() == 10).mapToInt(p -> p.to() - p.from()).sum();
      }
      assertEquals(20 + 99, computed);
    }
  }

  @Test
  void whatCouldNeverFitIsRefusedAndWhatOutgrowsTheCacheEnds() {
    EngineOptions options = options().contextTokens(0).cacheMemory(pages(4)).build();
    try (Engine engine = Engine.over(script(), options)) {
      assertEquals(4 * PAGE, engine.contextTokens());
      Request large = request(10, 4 * PAGE + 1, 1).build();
      String message =
          assertThrows(InvalidArgumentException.class, () -> engine.submit(large)).getMessage();
      assertTrue(message.contains("65") && message.contains("64"), message);
      Result.Choice grown =
          engine.submit(request(10, 60, 100).build()).result().join().choices().getFirst();
      assertEquals(FinishReason.CONTEXT, grown.reason());
      assertArrayEquals(expected(10, 60, 5), grown.ids());
    }
  }

  @Test
  void theQueueIsBounded() {
    Semaphore steps = new Semaphore(0);
    EngineOptions options = options().parallel(1).queue(3).requestsPerTenant(2).build();
    try (Engine engine = Engine.over(new RecordedModel(script(), steps), options)) {
      List<Answer> answers = new ArrayList<>();
      answers.add(engine.submit(request(10, 4, 2).tenant("a").build()));
      answers.add(engine.submit(request(11, 4, 2).tenant("a").build()));
      Request third = request(12, 4, 2).tenant("a").build();
      assertThrows(QueueFullException.class, () -> engine.submit(third));
      while (engine.running().isEmpty()) {
        Thread.onSpinWait();
      }
      answers.add(engine.submit(request(13, 4, 2).tenant("b").build()));
      answers.add(engine.submit(request(14, 4, 2).tenant("c").build()));
      Request fifth = request(15, 4, 2).tenant("d").build();
      assertThrows(QueueFullException.class, () -> engine.submit(fifth));
      steps.release(1000);
      answers.forEach(SchedulerTest::ids);
      assertArrayEquals(expected(12, 4, 2), ids(engine.submit(third)));
    }
  }

  @Test
  void deadlinesEndWhatRunsAndWhatWaits() {
    Semaphore steps = new Semaphore(3);
    EngineOptions options = options().parallel(1).build();
    try (Engine engine = Engine.over(new RecordedModel(script(), steps), options)) {
      Duration soon = Duration.ofMillis(30);
      Answer runs = engine.submit(request(10, 4, 100).deadline(soon).build());
      Answer waits = engine.submit(request(11, 4, 100).n(2).deadline(soon).build());
      Answer goesOn = engine.submit(request(12, 4, 5).build());
      Thread.sleep(60);
      steps.release(1000);
      Result.Choice first = runs.result().join().choices().getFirst();
      assertEquals(FinishReason.DEADLINE, first.reason());
      assertTrue(first.ids().length >= 3 && first.ids().length <= 5, first.toString());
      Result second = waits.result().join();
      assertEquals(FinishReason.DEADLINE, second.choices().get(1).reason());
      assertEquals(0, second.usage().generatedTokens());
      assertArrayEquals(expected(12, 4, 5), ids(goesOn));
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void aFailedStepEndsItsTextsAndTheEngineGoesOn() throws InterruptedException {
    try (Engine engine = Engine.over(script(), options().build())) {
      Answer fails = engine.submit(request(FAILS, 20, 100).build());
      Event last = null;
      int tokens = 0;
      for (Event event; (event = fails.next()) != null; last = event) {
        tokens += event instanceof Event.Token ? 1 : 0;
      }
      assertEquals(3, tokens);
      assertEquals(
          "a kernel failed", assertInstanceOf(Event.Failed.class, last).error().getMessage());
      CompletionException thrown =
          assertThrows(CompletionException.class, () -> fails.result().join());
      assertInstanceOf(Mla4jException.class, thrown.getCause());
      assertArrayEquals(expected(10, 20, 30), ids(engine.submit(request(10, 20, 30).build())));
      awaitIdle(engine);
      assertEquals(0, engine.statistics().cache().usedPages());
      assertEquals(1, engine.statistics().counts().failed());
    }
  }

  @Test
  void whatPromptsBeginWithIsComputedOnce() {
    try (Engine engine = Engine.over(script(), options().build())) {
      assertEquals(0, usage(engine, request(10, 100, 1).build()).cachedTokens());
      assertEquals(96, usage(engine, request(10, 100, 1).build()).cachedTokens());
      assertEquals(96, usage(engine, request(10, 130, 1).build()).cachedTokens());
      assertEquals(0, usage(engine, request(10, 100, 1).tenant("other").build()).cachedTokens());
      // Those that come together share what the first one reads.
      List<Answer> answers = new ArrayList<>();
      for (int i = 0; i < 8; i++) {
        answers.add(engine.submit(request(11, 1001, 1).build()));
      }
      int computed = 0;
      for (Answer answer : answers) {
        Usage usage = answer.result().join().usage();
        computed += usage.promptTokens() - usage.cachedTokens();
      }
      assertTrue(computed < 2 * 1001, "computed " + computed);
    }
  }

  private static Usage usage(Engine engine, Request request) {
    return engine.submit(request).result().join().usage();
  }

  @Test
  void noPageIsLostOverThousandsOfRandomOperations() throws InterruptedException {
    Random random = new Random(4);
    EngineOptions options =
        options().parallel(6).contextTokens(200).cacheMemory(pages(40)).tokenBudget(48).build();
    try (Engine engine = Engine.over(script(), options)) {
      List<Answer> open = new ArrayList<>();
      Set<Long> cancelled = new HashSet<>();
      List<int[]> shapes = new ArrayList<>();
      for (int i = 0; i < 3000; i++) {
        if (open.size() < 60 && random.nextInt(3) > 0) {
          int first = 1 + random.nextInt(20);
          int length = 1 + random.nextInt(120);
          int tokens = 1 + random.nextInt(60);
          int n = random.nextInt(8) == 0 ? 3 : 1;
          open.add(
              engine.submit(
                  request(first, length, tokens).n(n).tenant("t" + random.nextInt(3)).build()));
          shapes.add(new int[] {first, length, tokens});
        } else if (!open.isEmpty()) {
          int which = random.nextInt(open.size());
          Answer answer = open.get(which);
          if (random.nextInt(3) == 0) {
            cancelled.add(answer.id());
            answer.cancel();
          }
          int[] shape = shapes.get(which);
          for (Result.Choice choice : answer.result().join().choices()) {
            boolean whole = choice.reason() == FinishReason.LENGTH;
            assertTrue(
                whole
                    || cancelled.contains(answer.id())
                    || choice.reason() == FinishReason.CONTEXT);
            assertArrayEquals(expected(shape[0], shape[1], choice.ids().length), choice.ids());
          }
          open.remove(which);
          shapes.remove(which);
        }
      }
      open.forEach(Answer::cancel);
      open.forEach(answer -> answer.result().join());
      assertTrue(engine.drain(Duration.ofSeconds(30)));
      assertEquals(0, engine.statistics().cache().usedPages());
      assertEquals(0, engine.statistics().load().waiting());
    }
  }

  @Test
  void cancellingFreesThePagesWithinAStep() {
    Semaphore steps = new Semaphore(1);
    EngineOptions options = options().build();
    try (Engine engine = Engine.over(new RecordedModel(script(), steps), options)) {
      Answer answer = engine.submit(request(10, 500, 100).build());
      while (engine.statistics().counts().steps() < 1) {
        Thread.onSpinWait();
      }
      answer.cancel();
      steps.release();
      assertEquals(FinishReason.CANCELLED, answer.result().join().choices().getFirst().reason());
      assertEquals(0, engine.statistics().cache().usedPages());
    }
  }

  @Test
  void closingEndsWhatRunsAndWhatWaits() throws InterruptedException {
    for (int round = 0; round < 50; round++) {
      Engine engine = Engine.over(script(), options().parallel(2).contextTokens(5000).build());
      List<Answer> answers = new ArrayList<>();
      for (int i = 0; i < 5; i++) {
        answers.add(engine.submit(request(10 + i, 20, 4000).build()));
      }
      if (round % 2 == 0) {
        answers.getFirst().next();
      }
      engine.close();
      engine.close();
      for (Answer answer : answers) {
        assertEquals(FinishReason.CANCELLED, answer.result().join().choices().getFirst().reason());
      }
      Request late = request(10, 4, 1).build();
      assertThrows(ClosedException.class, () -> engine.submit(late));
      assertFalse(engine.running().stream().anyMatch(r -> r.state() == Running.State.DECODE));
    }
  }

  @Test
  void drainingLetsAnswersEndAndTakesNoMore() throws InterruptedException {
    try (Engine engine = Engine.over(script(), options().build())) {
      Answer answer = engine.submit(request(10, 20, 300).build());
      assertTrue(engine.drain(Duration.ofSeconds(30)));
      assertEquals(300, ids(answer).length);
      Request late = request(10, 4, 1).build();
      assertThrows(ClosedException.class, () -> engine.submit(late));
    }
  }

  /** Even ids alone, a number of them; or one that fails when it is asked. */
  private static final class Even implements Constraint {
    private int left;

    Even(int left) {
      this.left = left;
    }

    @Override
    public void mask(long[] allowed) {
      if (left < 0) {
        throw new IllegalStateException("a constraint failed");
      }
      Arrays.fill(allowed, 0x5555555555555554L);
    }

    @Override
    public void accept(int id) {
      left--;
    }

    @Override
    public boolean isComplete() {
      return left == 0;
    }

    @Override
    public Constraint fork() {
      return new Even(left);
    }
  }

  @Test
  void aConstraintThatFailsEndsItsOwnRequest() {
    try (Engine engine = Engine.over(script(), options().build())) {
      Answer good = engine.submit(request(10, 20, 200).build());
      Answer bad = engine.submit(request(11, 20, 100).constraint(new Even(-1)).n(2).build());
      CompletionException thrown =
          assertThrows(CompletionException.class, () -> bad.result().join());
      assertTrue(thrown.getCause().getMessage().contains("a constraint failed"));
      assertArrayEquals(expected(10, 20, 200), ids(good));
    }
  }

  @Test
  void aConstraintSaysWhatMayFollow() {
    try (Engine engine = Engine.over(script(), options().build())) {
      Request request = request(10, 20, 100).constraint(new Even(6)).n(2).build();
      for (Result.Choice choice : engine.submit(request).result().join().choices()) {
        assertEquals(FinishReason.STOP, choice.reason());
        assertEquals(6, choice.ids().length);
        assertTrue(IntStream.of(choice.ids()).allMatch(id -> id % 2 == 0));
      }
    }
  }
}

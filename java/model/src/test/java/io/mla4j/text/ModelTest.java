package io.mla4j.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.Backends;
import io.mla4j.Batch;
import io.mla4j.CacheFullException;
import io.mla4j.ClosedException;
import io.mla4j.ComputeType;
import io.mla4j.ConcurrentUseException;
import io.mla4j.Device;
import io.mla4j.InvalidArgumentException;
import io.mla4j.InvalidStateException;
import io.mla4j.LatentCache;
import io.mla4j.Sequence;
import io.mla4j.checkpoint.Checkpoint;
import io.mla4j.checkpoint.ConfigReader;
import io.mla4j.checkpoint.GoldenCheckpointsTest;
import io.mla4j.checkpoint.ModelDescription;
import io.mla4j.checkpoint.WeightTable;
import io.mla4j.model.Cancellation;
import io.mla4j.model.CancelledException;
import io.mla4j.model.Decoder;
import io.mla4j.model.DecoderOptions;
import io.mla4j.ops.Tensor;
import io.mla4j.text.Generation.FinishReason;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The door for users: texts, sessions, giving up, closing, and threads where they must not be. */
@Timeout(120)
class ModelTest {
  private static final Path TINY_MLA = GoldenCheckpointsTest.TINY_MLA;
  private static final String PROMPT = "In the beginning";
  private static final SamplingOptions DRAW = new SamplingOptions(0.9, 0, 1, 0, 1.1, 7);

  private static Model open() {
    return Model.builder(TINY_MLA).threads(1).compute(ComputeType.F32).open();
  }

  private static int[] draw(Session session, int count) {
    int[] ids = new int[count];
    for (int i = 0; i < count; i++) {
      ids[i] = session.next(DRAW);
    }
    return ids;
  }

  @Test
  void threeLinesMakeAText() {
    StringBuilder text = new StringBuilder();
    try (Model m = Model.open(TINY_MLA)) {
      m.generate(PROMPT, text::append);
    }
    assertFalse(text.isEmpty());
  }

  @Test
  void aSessionWritesWhatGenerateWrites() {
    try (Model model = open();
        Session session = model.session()) {
      Generation generation = model.generate(PROMPT, GenerationOptions.of(12, DRAW), _ -> {});
      session.append(PROMPT);
      assertArrayEquals(generation.ids(), draw(session, generation.ids().length));
      assertEquals(generation.promptTokens() + generation.ids().length, session.length());
    }
  }

  @Test
  void chunksAreThoseOfOneCall() {
    try (Model model = Model.builder(TINY_MLA).threads(1).chunk(5).open();
        Session whole = model.session();
        Session parts = model.session()) {
      int[] ids = model.tokenizer().encode("And God said, Let there be light: and there was", true);
      whole.append(ids);
      for (int id : ids) {
        parts.append(id);
      }
      assertArrayEquals(whole.logits(), parts.logits());
    }
  }

  @Test
  void aForkGoesItsOwnWayAndTruncatingGoesBack() {
    try (Model model = open();
        Session session = model.session()) {
      session.append(PROMPT);
      int start = session.length();
      float[] logits = session.logits();
      int[] first;
      try (Session fork = session.fork()) {
        first = draw(fork, 8);
        assertEquals(start + 8, fork.length());
      }
      assertEquals(start, session.length());
      assertArrayEquals(logits, session.logits());
      assertArrayEquals(first, draw(session, 8));
      session.truncate(start);
      assertArrayEquals(first, draw(session, 8), "numbers start again after truncating");
      session.truncate(0);
      assertThrows(InvalidArgumentException.class, session::logits);
      session.append(PROMPT);
      assertArrayEquals(logits, session.logits());
      assertThrows(InvalidArgumentException.class, () -> session.truncate(start + 1));
    }
  }

  @Test
  void whatDoesNotFitChangesNothing() {
    try (Model model = Model.builder(TINY_MLA).threads(1).pageSize(8).chunk(8).open();
        Session session = model.session(16)) {
      session.append(0, 5, 6);
      assertThrows(InvalidArgumentException.class, () -> session.append(1, 4096));
      assertThrows(InvalidArgumentException.class, () -> session.append(new int[2048]));
      assertThrows(CacheFullException.class, () -> session.append(new int[40]));
      assertArrayEquals(new int[] {0, 5, 6}, session.ids());
      float[] logits = session.logits();
      try (Session other = model.session(16)) {
        other.append(0, 5, 6);
        assertArrayEquals(other.logits(), logits, 1e-4f);
      }
    }
  }

  @Test
  void aTokenEndsAGenerationWithTheTextSoFar() {
    try (Model model = open()) {
      Cancellation cancellation = new Cancellation();
      GenerationOptions options = GenerationOptions.of(1000, DRAW).cancelledBy(cancellation);
      List<String> pieces = new ArrayList<>();
      Generation generation =
          model.generate(
              PROMPT,
              options,
              piece -> {
                pieces.add(piece);
                cancellation.cancel();
              });
      assertEquals(FinishReason.CANCELLED, generation.finishReason());
      assertEquals(String.join("", pieces), generation.text());
      assertFalse(generation.text().isEmpty());
      Generation before = model.generate(PROMPT, options, _ -> {});
      assertEquals(FinishReason.CANCELLED, before.finishReason());
      assertEquals(0, before.ids().length);
    }
  }

  @Test
  void anInterruptEndsAPrompt() throws Exception {
    try (Model model = Model.builder(TINY_MLA).threads(1).chunk(1).open()) {
      CompletableFuture<Generation> result = new CompletableFuture<>();
      CompletableFuture<Boolean> status = new CompletableFuture<>();
      int[] prompt = new int[2000];
      Thread thread =
          Thread.ofPlatform()
              .start(
                  () -> {
                    result.complete(model.generate(prompt, GenerationOptions.of(9, DRAW), _ -> {}));
                    status.complete(Thread.currentThread().isInterrupted());
                  });
      thread.interrupt();
      assertEquals(FinishReason.CANCELLED, result.get(60, TimeUnit.SECONDS).finishReason());
      assertTrue(status.get(), "the status stays set");
    }
  }

  @Test
  void closingEndsWhatRunsAndIsHarmlessTwice() throws Exception {
    Model model = open();
    Session session = model.session();
    session.append(PROMPT);
    CountDownLatch runs = new CountDownLatch(1);
    CompletableFuture<Throwable> thrown = new CompletableFuture<>();
    Thread.ofPlatform()
        .start(
            () ->
                thrown.complete(
                    assertThrows(
                        RuntimeException.class,
                        () -> {
                          while (true) {
                            GenerationOptions options = GenerationOptions.of(1000, DRAW);
                            model.generate(PROMPT, options, _ -> runs.countDown());
                          }
                        })));
    runs.await();
    List<CompletableFuture<Void>> closing = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      closing.add(CompletableFuture.runAsync(model::close));
    }
    for (CompletableFuture<Void> one : closing) {
      one.get(60, TimeUnit.SECONDS);
    }
    assertEquals(ClosedException.class, thrown.get(60, TimeUnit.SECONDS).getClass());
    model.close();
    session.close();
    session.close();
    List<Supplier<Object>> uses =
        List.of(
            () -> model.generate(PROMPT, _ -> {}),
            model::session,
            model::tokenizer,
            () -> session.next(DRAW),
            session::logits,
            session::fork);
    for (Supplier<Object> use : uses) {
      assertThrows(ClosedException.class, use::get);
    }
  }

  @Test
  void closingFromTheListenerEndsTheGeneration() {
    Model model = open();
    assertThrows(
        ClosedException.class,
        () -> model.generate(PROMPT, GenerationOptions.of(100, DRAW), _ -> model.close()));
  }

  @Test
  void textsOfSeveralThreadsDoNotDisturbEachOther() throws Exception {
    try (Model model = open()) {
      GenerationOptions options = GenerationOptions.of(16, DRAW);
      int[] alone = model.generate(PROMPT, options, _ -> {}).ids();
      List<CompletableFuture<int[]>> together = new ArrayList<>();
      for (int i = 0; i < 4; i++) {
        together.add(
            CompletableFuture.supplyAsync(
                () -> model.generate(PROMPT, options, _ -> {}).ids(),
                task -> Thread.ofPlatform().start(task)));
      }
      for (CompletableFuture<int[]> one : together) {
        assertArrayEquals(alone, one.get(60, TimeUnit.SECONDS));
      }
    }
  }

  @Test
  void aModelWithoutTokenizerKnowsIds() {
    try (Model model = Model.builder(TINY_MLA).threads(1).withoutTokenizer().open();
        Session session = model.session()) {
      session.append(0, 7);
      assertEquals(4096, session.logits().length);
      assertThrows(InvalidArgumentException.class, () -> session.append("text"));
    }
  }

  /** Four threads on one decoder: each result is right, or the misuse is named. */
  @Test
  @SuppressWarnings("try") // it is closed more than once
  void aDecoderNoticesOtherThreads() throws Exception {
    ModelDescription description = ConfigReader.read(TINY_MLA);
    int[] ids = new int[20];
    Arrays.setAll(ids, i -> 3 * i);
    try (Checkpoint checkpoint = Checkpoint.open(TINY_MLA);
        Device device = Backends.open(new Backends.Choice(null, null, 1));
        Decoder decoder =
            new Decoder(
                description,
                WeightTable.resolve(description, checkpoint),
                device,
                DecoderOptions.of(ComputeType.F32))) {
      float expected = last(decoder, ids);
      List<CompletableFuture<Integer>> threads = new ArrayList<>();
      for (int t = 0; t < 4; t++) {
        threads.add(
            CompletableFuture.supplyAsync(
                () -> {
                  int named = 0;
                  for (int i = 0; i < 20; i++) {
                    try {
                      assertEquals(expected, last(decoder, ids));
                    } catch (ConcurrentUseException e) {
                      named++;
                    }
                  }
                  return named;
                },
                task -> Thread.ofPlatform().start(task)));
      }
      int named = 0;
      for (CompletableFuture<Integer> thread : threads) {
        named += thread.get(60, TimeUnit.SECONDS);
      }
      assertTrue(named > 0, "80 forwards of 4 threads met each other");
      assertEquals(expected, last(decoder, ids), "the decoder goes on");
      assertThrows(
          InvalidStateException.class, () -> withHidden(decoder, ids, (_, _) -> decoder.close()));
      decoder.close();
      assertDoesNotThrow(decoder::close);
      assertThrows(ClosedException.class, () -> last(decoder, ids));
    }
  }

  @Test
  void aCancelledStepLeavesTheSequenceAsItWas() {
    ModelDescription description = ConfigReader.read(TINY_MLA);
    try (Checkpoint checkpoint = Checkpoint.open(TINY_MLA);
        Device device = Backends.open(new Backends.Choice(null, null, 1));
        Decoder decoder =
            new Decoder(
                description,
                WeightTable.resolve(description, checkpoint),
                device,
                DecoderOptions.of(ComputeType.F32));
        LatentCache cache = decoder.newCache(1, 16);
        Sequence sequence = cache.newSequence()) {
      Batch batch = Batch.of(sequence);
      decoder.append(batch, new int[] {1, 2, 3});
      Cancellation cancellation = new Cancellation();
      cancellation.cancel();
      assertThrows(
          CancelledException.class,
          () -> decoder.forward(batch, Decoder.Wanted.ALL, cancellation, new int[] {4}));
      assertEquals(3, sequence.length());
      Thread.currentThread().interrupt();
      assertThrows(CancelledException.class, () -> decoder.append(batch, new int[] {4}));
      assertTrue(Thread.interrupted());
      assertEquals(3, sequence.length());
    }
  }

  private static float last(Decoder decoder, int[] ids) {
    float[] value = new float[1];
    withHidden(decoder, ids, (_, row) -> value[0] = row.segment().get(ValueLayout.JAVA_FLOAT, 400));
    return value[0];
  }

  private static void withHidden(Decoder decoder, int[] ids, Decoder.LogitConsumer consumer) {
    try (LatentCache cache = decoder.newCache(1, ids.length);
        Sequence sequence = cache.newSequence()) {
      Tensor hidden = decoder.forwardLast(Batch.of(sequence), ids);
      decoder.logits(hidden, consumer);
    }
  }
}

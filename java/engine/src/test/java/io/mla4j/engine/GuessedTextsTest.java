package io.mla4j.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import io.mla4j.ComputeType;
import io.mla4j.InvalidArgumentException;
import io.mla4j.model.Decoder;
import io.mla4j.testkit.QuickRun;
import io.mla4j.text.SamplingOptions;
import io.mla4j.text.Speculation;
import io.mla4j.text.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Given texts that repeat themselves and a model whose steps take equally long whatever their rows,
 * so that guesses pay, when an engine guesses, then texts are those of one that does not, in fewer
 * steps.
 */
class GuessedTextsTest {
  private static final Path TINY = Path.of(System.getProperty("mla4j.root"), "models", "tiny-mla");

  /** A model that waits for nothing but its memory, as large ones do. */
  private static final class Steady extends ForwardingModel {
    private static final long NANOS = 8_000_000;

    Steady(EngineModel model) {
      super(model);
    }

    @Override
    public void step(List<Piece> pieces, Decoder.LogitConsumer consumer) {
      long end = System.nanoTime() + NANOS;
      model.step(pieces, consumer);
      for (long left; (left = end - System.nanoTime()) > 0; ) {
        LockSupport.parkNanos(left);
      }
    }
  }

  private static EngineOptions.Builder options(String backend, ComputeType compute) {
    return EngineOptions.builder()
        .backend(backend)
        .compute(compute)
        .threads(1)
        .stretch(0)
        .contextTokens(512);
  }

  /** Passages of the held-out text, each written twice and begun once more. */
  private static List<Request> requests(int count) throws IOException {
    int[] text;
    try (Tokenizer tokenizer = Tokenizer.open(TINY)) {
      text = tokenizer.encode(Files.readString(TINY.resolve("heldout.txt")), false);
    }
    List<Request> all = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      int[] passage = Arrays.copyOfRange(text, 500 * i, 500 * i + 60);
      int[] prompt = new int[2 * passage.length + 8];
      for (int j = 0; j < prompt.length; j++) {
        prompt[j] = passage[j % passage.length];
      }
      SamplingOptions sampling =
          i % 2 == 0 ? SamplingOptions.GREEDY : new SamplingOptions(0.6, 0, 0.9, 0, 1, i);
      all.add(
          Request.builder()
              .prompt(prompt)
              .sampling(sampling)
              .maxTokens(i == 3 ? 500 : 90)
              .n(i == 2 ? 2 : 1)
              .logprobs(i == 1 ? 2 : -1)
              .ignoreEos(true)
              .build());
    }
    return all;
  }

  private static List<String> texts(Engine engine, List<Request> requests) {
    List<Answer> answers = requests.stream().map(engine::submit).toList();
    List<String> all = new ArrayList<>();
    for (Answer answer : answers) {
      StringBuilder told = new StringBuilder();
      for (Result.Choice choice : answer.result().join().choices()) {
        told.append(Arrays.toString(choice.ids()))
            .append(choice.logprobs())
            .append(choice.reason())
            .append(choice.text());
      }
      all.add(told.toString());
    }
    return all;
  }

  @ParameterizedTest
  @CsvSource({"vector, F32, 1", "native, BF16, 1", "native, F32, 4"})
  void textsAreThoseWithoutGuesses(String backend, ComputeType compute, int count)
      throws IOException {
    assumeFalse(QuickRun.leavesOut(backend), backend + " is left out of a quick run");
    List<Request> requests = requests(count);
    List<String> plain;
    long plainSteps;
    try (Engine engine =
        Engine.open(TINY, options(backend, compute).speculation(Speculation.OFF).build())) {
      plain = texts(engine, requests);
      plainSteps = engine.statistics().counts().steps();
      assertEquals(0, engine.statistics().counts().guessedTokens());
    }
    EngineOptions options = options(backend, compute).build();
    try (Engine engine = Engine.over(new Steady(OpenedModel.open(TINY, options)), options)) {
      assertEquals(plain, texts(engine, requests));
      Statistics after = engine.statistics();
      assertTrue(after.counts().acceptedTokens() > 0, after.toString());
      assertTrue(after.counts().steps() < plainSteps, after + " against steps " + plainSteps);
      assertEquals(0, after.cache().usedPages());
    }
  }

  /** Pages for guesses may be those that are missing. */
  @Test
  void aFullCacheEndsGuessesAndNoText() throws IOException {
    List<Request> requests = requests(4);
    long pageBytes;
    List<String> plain;
    try (Engine engine =
        Engine.open(
            TINY, options("native", ComputeType.F32).speculation(Speculation.OFF).build())) {
      plain = texts(engine, requests);
      pageBytes = engine.statistics().cache().pageBytes();
    }
    EngineOptions few = options("native", ComputeType.F32).cacheMemory(9 * pageBytes).build();
    try (Engine engine = Engine.over(new Steady(OpenedModel.open(TINY, few)), few)) {
      assertEquals(plain, texts(engine, requests));
      assertEquals(0, engine.statistics().cache().usedPages());
    }
  }

  @Test
  void layersForPredictionAreNotAsked() {
    InvalidArgumentException refused =
        assertThrows(
            InvalidArgumentException.class,
            () -> EngineOptions.builder().speculation(Speculation.MTP).build());
    assertEquals(
        "speculation is MTP, but an engine has OFF and LOOKUP alone", refused.getMessage());
  }
}

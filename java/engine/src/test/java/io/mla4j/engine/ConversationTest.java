package io.mla4j.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.text.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Given a conversation with the carried model, when an answer has ended and nobody waits, then it
 * is in the cache as a part of a prompt, and the next answer is what it is without.
 */
@Timeout(60)
class ConversationTest {
  private static final Path TINY = Path.of(System.getProperty("mla4j.root"), "models", "tiny-mla");
  private static final int QUESTION = 40;
  private static final int ANSWER = 100;

  private static Engine open(int page) {
    return Engine.open(
        TINY,
        EngineOptions.builder()
            .backend("native")
            .threads(1)
            .pageSize(page)
            .parallel(2)
            .contextTokens(512)
            .build());
  }

  private static Result.Choice answer(Engine engine, int[] prompt, boolean conversation) {
    Request.Builder request = Request.builder().prompt(prompt).maxTokens(ANSWER).ignoreEos(true);
    return engine
        .submit(request.conversation(conversation).build())
        .result()
        .join()
        .choices()
        .getFirst();
  }

  private static int[] and(int[] first, int[] second) {
    int[] all = Arrays.copyOf(first, first.length + second.length);
    System.arraycopy(second, 0, all, first.length, second.length);
    return all;
  }

  private static void awaitPages(Engine engine, int remembered) throws InterruptedException {
    while (engine.statistics().cache().rememberedPages() < remembered
        || engine.statistics().cache().usedPages() > 0) {
      Thread.sleep(1);
    }
  }

  @ParameterizedTest
  @CsvSource({"64, 128", "16, 128", "12, 132"})
  void answersAreReadAgainAsAPrompt(int page, int cached) throws IOException, InterruptedException {
    int[] text;
    try (Tokenizer tokenizer = Tokenizer.open(TINY)) {
      text = tokenizer.encode(Files.readString(TINY.resolve("heldout.txt")), false);
    }
    int[] question = Arrays.copyOf(text, QUESTION);
    int[] next = Arrays.copyOfRange(text, QUESTION, 2 * QUESTION);
    try (Engine engine = open(page);
        Engine other = open(page)) {
      Result.Choice first = answer(engine, question, true);
      awaitPages(engine, (QUESTION + ANSWER) / page);
      Result.Choice same = answer(other, question, false);
      assertArrayEquals(first.ids(), same.ids());
      int[] asked = and(and(question, first.ids()), next);
      Result.Choice second = answer(engine, asked, true);
      assertEquals(cached, second.usage().cachedTokens());
      Result.Choice without = answer(other, asked, false);
      // The first question alone, as far as it fills pages.
      assertEquals((QUESTION - 1) / page * page, without.usage().cachedTokens());
      assertArrayEquals(without.ids(), second.ids());
    }
  }

  @Test
  void whoComesMeanwhileDoesNotWaitForThem() throws InterruptedException {
    ScriptedModel script = ScriptedModel.ofIds(100, Set.of(0), (ids, _) -> 1 + ids.length % 99);
    EngineOptions options = EngineOptions.builder().contextTokens(2048).stretch(0).build();
    try (Engine engine = Engine.over(script, options)) {
      int[] prompt = new int[100];
      Arrays.fill(prompt, 7);
      for (int i = 0; i < 40; i++) {
        prompt[0] = 1 + i;
        assertEquals(ANSWER, answer(engine, prompt, true).ids().length);
      }
      awaitPages(engine, 1);
      assertTrue(engine.statistics().cache().rememberedPages() > 0);
    }
  }
}

package io.mla4j.bench.engine;

import io.mla4j.bench.BenchException;
import io.mla4j.bench.engine.EngineReport.Clients;
import io.mla4j.bench.engine.EngineReport.LongPrompt;
import io.mla4j.bench.engine.EngineReport.Turns;
import io.mla4j.engine.Answer;
import io.mla4j.engine.Engine;
import io.mla4j.engine.EngineOptions;
import io.mla4j.engine.Event;
import io.mla4j.engine.Request;
import io.mla4j.engine.Usage;
import io.mla4j.text.SamplingOptions;
import io.mla4j.text.Speculation;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.IntFunction;

/** Texts of an engine in this process: prompts are made-up ids, and no text ends by itself. */
public final class EngineBench implements AutoCloseable {
  private static final int FIRST_ID = 3;
  private static final SamplingOptions SAMPLED = new SamplingOptions(0.8, 40, 0.95, 0, 1, 1);

  private final Options options;
  private final TimedModel model;
  private final Engine engine;
  private long seed;

  /**
   * What is asked for.
   *
   * @param model folder or GGUF
   * @param backend null for the fastest
   * @param threads 0 for the physical cores
   * @param page tokens of a page of the cache
   * @param prompt tokens of a prompt
   * @param tokens of a text
   * @param requests of a client
   * @param speculation how tokens are guessed
   */
  public record Options(
      Path model,
      String backend,
      int threads,
      int page,
      int prompt,
      int tokens,
      int requests,
      Speculation speculation) {}

  private EngineBench(Options options, int clients, int context) {
    this.options = options;
    EngineOptions how =
        EngineOptions.builder()
            .backend(options.backend())
            .threads(options.threads())
            .pageSize(options.page())
            .parallel(clients)
            .contextTokens(context)
            .speculation(options.speculation())
            .build();
    this.model = new TimedModel(Engine.open(options.model(), how).model());
    this.engine = Engine.over(model, how);
  }

  /** Opens the model for so many clients, and texts of at most so many tokens. */
  public static EngineBench open(Options options, int clients, int context) {
    return new EngineBench(options, clients, context);
  }

  /** What computes. */
  public String summary() {
    return model.summary();
  }

  /**
   * Clients that ask one request after the other.
   *
   * @param samples whether every second text is sampled, among the 40 likeliest tokens; the others
   *     take the likeliest one
   */
  public Clients clients(int clients, boolean samples) {
    ask(clients, samples, 1);
    model.takeSteps();
    long before = engine.statistics().counts().acceptedTokens();
    long begin = System.nanoTime();
    List<Text> texts = ask(clients, samples, options.requests());
    long nanos = System.nanoTime() - begin;
    long accepted = engine.statistics().counts().acceptedTokens() - before;
    return Clients.of(clients, samples, texts, accepted, model.takeSteps(), nanos);
  }

  private List<Text> ask(int clients, boolean samples, int requests) {
    return together(
        clients,
        client -> {
          List<Text> texts = new ArrayList<>();
          for (int i = 0; i < requests; i++) {
            Request.Builder request = request(prompt(options.prompt()), options.tokens());
            texts.add(read(samples && client % 2 == 1 ? request.sampling(SAMPLED) : request));
          }
          return texts;
        });
  }

  /** Texts beside a prompt that is read: the times from token to token, without and with it. */
  public LongPrompt longPrompt(int texts, int promptTokens) {
    List<Answer> answers = new ArrayList<>();
    for (int i = 0; i < texts; i++) {
      answers.add(
          submit(request(prompt(options.prompt()), engine.contextTokens() - options.prompt())));
    }
    for (Answer answer : answers) {
      next(answer);
    }
    waitFor(LongPrompt.STEPS_BEFORE);
    model.takeSteps();
    waitFor(LongPrompt.STEPS_BEFORE);
    List<TimedModel.Step> without = model.takeSteps();
    Text read = read(request(prompt(promptTokens), 1));
    List<TimedModel.Step> with = model.takeSteps();
    answers.forEach(Answer::cancel);
    return LongPrompt.of(texts, promptTokens, without, with, read.firstNanos());
  }

  /** Waits for so many steps of a text. */
  private void waitFor(int steps) {
    long end = engine.statistics().counts().steps() + steps;
    try {
      while (engine.statistics().counts().steps() < end) {
        Thread.sleep(1);
      }
    } catch (InterruptedException e) {
      throw interrupted(e);
    }
  }

  /**
   * A conversation: each prompt is all that was said, and a question of {@link Options#prompt}
   * tokens, which somebody thinks about for so many milliseconds.
   */
  public Turns turns(int turns, int pauseMillis) {
    int[] said = {};
    List<Usage> usages = new ArrayList<>();
    List<Long> first = new ArrayList<>();
    for (int i = 0; i < turns; i++) {
      int[] question = prompt(options.prompt());
      int[] asked = Arrays.copyOf(said, said.length + question.length);
      System.arraycopy(question, 0, asked, said.length, question.length);
      Text text = read(request(asked, options.tokens()).conversation(true));
      usages.add(text.usage());
      first.add(text.firstNanos());
      said = Arrays.copyOf(asked, asked.length + text.ids().length);
      System.arraycopy(text.ids(), 0, said, asked.length, text.ids().length);
      pause(pauseMillis);
    }
    return new Turns(usages, first);
  }

  private static void pause(int millis) {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException e) {
      throw interrupted(e);
    }
  }

  private static Request.Builder request(int[] prompt, int tokens) {
    return Request.builder().prompt(prompt).maxTokens(tokens).ignoreEos(true);
  }

  private synchronized int[] prompt(int tokens) {
    return new SplittableRandom(++seed).ints(tokens, FIRST_ID, model.vocabulary()).toArray();
  }

  private Answer submit(Request.Builder request) {
    return engine.submit(request.build());
  }

  /**
   * A text that was read.
   *
   * @param firstNanos until its first token
   * @param nanos until its end
   */
  record Text(long firstNanos, long nanos, int[] ids, Usage usage) {}

  private Text read(Request.Builder request) {
    long start = System.nanoTime();
    Answer answer = submit(request);
    long first = 0;
    int count = 0;
    int[] ids = new int[request.build().maxTokens()];
    for (Event event; (event = next(answer)) != null; ) {
      switch (event) {
        case Event.Token token -> {
          first = first == 0 ? System.nanoTime() - start : first;
          ids[count++] = token.id();
        }
        case Event.Finished end -> {
          return new Text(first, System.nanoTime() - start, Arrays.copyOf(ids, count), end.usage());
        }
        case Event.Failed failed -> throw failed.error();
      }
    }
    throw new BenchException("a text has no end");
  }

  private static Event next(Answer answer) {
    try {
      return answer.next();
    } catch (InterruptedException e) {
      throw interrupted(e);
    }
  }

  private static List<Text> together(int clients, IntFunction<List<Text>> client) {
    List<Text> all = new ArrayList<>();
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<List<Text>>> futures = new ArrayList<>();
      for (int i = 0; i < clients; i++) {
        int number = i;
        futures.add(threads.submit(() -> client.apply(number)));
      }
      for (Future<List<Text>> future : futures) {
        all.addAll(future.get());
      }
      return all;
    } catch (InterruptedException e) {
      throw interrupted(e);
    } catch (ExecutionException e) {
      throw new BenchException("a client failed: " + e.getCause(), e);
    }
  }

  private static BenchException interrupted(InterruptedException e) {
    Thread.currentThread().interrupt();
    return new BenchException("the measurement was interrupted", e);
  }

  @Override
  public void close() {
    engine.close();
  }
}

package io.mla4j.text;

import io.mla4j.Batch;
import io.mla4j.InvalidArgumentException;
import io.mla4j.LatentCache;
import io.mla4j.Sequence;
import io.mla4j.model.Decoder;
import io.mla4j.ops.Tensor;
import io.mla4j.text.Generation.FinishReason;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Consumer;

/**
 * Continues a prompt token by token.
 *
 * <p>Belongs to one thread at a time, as its decoder does.
 */
public final class TextGenerator {
  private final Decoder decoder;
  private final Tokenizer tokenizer;

  /** A generator; both must stay open. */
  public TextGenerator(Decoder decoder, Tokenizer tokenizer) {
    this.decoder = decoder;
    this.tokenizer = tokenizer;
  }

  /**
   * What to continue, and how far.
   *
   * @param promptIds the prompt as it is: BOS is not added
   * @param maxTokens the most tokens to generate, at least 1
   * @param sampling how tokens are chosen
   * @param stop texts that end the generation and are left out of it
   */
  public record Request(
      int[] promptIds, int maxTokens, SamplingOptions sampling, List<String> stop) {
    /**
     * Checks the counts.
     *
     * @throws InvalidArgumentException where the prompt or a stop text is empty or maxTokens is
     *     below 1
     */
    public Request {
      if (promptIds.length == 0) {
        throw new InvalidArgumentException("the prompt has no tokens");
      }
      if (maxTokens < 1) {
        throw new InvalidArgumentException(
            "maxTokens is " + maxTokens + ", but must be at least 1");
      }
      if (stop.contains("")) {
        throw new InvalidArgumentException("a stop text is empty");
      }
      stop = List.copyOf(stop);
    }
  }

  /**
   * Generates until EOS, a stop text, {@code maxTokens}, or a full context.
   *
   * @param listener takes the text as it becomes certain: never half a character, never the start
   *     of a stop text
   * @throws InvalidArgumentException where the prompt does not fit the context or has an id outside
   *     of the vocabulary
   */
  public Generation generate(Request request, Consumer<String> listener) {
    int[] prompt = request.promptIds();
    int context = decoder.model().context();
    if (prompt.length > context) {
      throw new InvalidArgumentException(
          "the prompt has " + prompt.length + " tokens, but the model's context is " + context);
    }
    int capacity = (int) Math.min(context, (long) prompt.length + request.maxTokens());
    try (LatentCache cache = decoder.newCache(1, capacity);
        Sequence sequence = cache.newSequence()) {
      Run run = new Run(request, sequence, listener);
      long start = System.nanoTime();
      Tensor hidden = run.prefill();
      int first = run.sample(hidden);
      long prefilled = System.nanoTime();
      FinishReason reason = run.generate(first);
      long end = System.nanoTime();
      return new Generation(
          run.text.given(),
          Arrays.copyOf(run.ids, run.count),
          reason,
          prompt.length,
          prefilled - start,
          end - prefilled,
          cache.bytes());
    }
  }

  /** The state of one generation. */
  private final class Run {
    private final Request request;
    private final Sequence sequence;
    private final Batch batch;
    private final Sampler sampler;

    /** Whether the device chooses: where it knows what the options ask for. */
    private final boolean onDevice;

    private final SplittableRandom random;
    private final float[] uniform = new float[1];
    private final int[] chosen = new int[1];
    private final StreamingDecoder characters;
    private final StopFilter text;
    private int[] ids = new int[16];
    private int count;

    Run(Request request, Sequence sequence, Consumer<String> listener) {
      this.request = request;
      this.sequence = sequence;
      this.batch = Batch.of(sequence);
      SamplingOptions options = request.sampling();
      this.sampler = new Sampler(options);
      this.onDevice =
          options.minP() == 0
              && options.repetitionPenalty() == 1
              && decoder.device().choosesTokens();
      this.random = new SplittableRandom(options.seed());
      this.characters = tokenizer.streamingDecoder(true);
      this.text = new StopFilter(request.stop(), listener);
      for (int id : request.promptIds()) {
        sampler.observe(id);
      }
    }

    /** The hidden state of the prompt's last token. */
    Tensor prefill() {
      int[] prompt = request.promptIds();
      int chunk = decoder.options().chunk();
      int begin = 0;
      for (; begin + chunk < prompt.length; begin += chunk) {
        decoder.append(batch, Arrays.copyOfRange(prompt, begin, begin + chunk));
      }
      return decoder.forwardLast(batch, Arrays.copyOfRange(prompt, begin, prompt.length));
    }

    int sample(Tensor hidden) {
      if (!onDevice) {
        decoder.logits(hidden, (_, logits) -> chosen[0] = sampler.next(logits.segment()));
      } else {
        uniform[0] = random.nextFloat();
        SamplingOptions options = request.sampling();
        decoder.choose(
            hidden, options.temperature(), options.topK(), options.topP(), uniform, chosen);
      }
      return chosen[0];
    }

    FinishReason generate(int first) {
      int id = first;
      while (true) {
        keep(id);
        if (decoder.model().eos().contains(id)) {
          text.accept(characters.finish());
          text.finish();
          return FinishReason.EOS;
        }
        if (text.accept(characters.next(id))) {
          return FinishReason.STOP;
        }
        boolean enough = count == request.maxTokens();
        if (enough || sequence.length() == decoder.model().context()) {
          if (text.accept(characters.finish())) {
            return FinishReason.STOP;
          }
          text.finish();
          return enough ? FinishReason.LENGTH : FinishReason.CONTEXT;
        }
        id = sample(decoder.forward(batch, new int[] {id}));
      }
    }

    private void keep(int id) {
      if (count == ids.length) {
        ids = Arrays.copyOf(ids, 2 * count);
      }
      ids[count++] = id;
    }
  }
}

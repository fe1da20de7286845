package io.mla4j.cli;

import io.mla4j.Mla4jException;
import io.mla4j.checkpoint.ModelDescription;
import io.mla4j.ops.Tensor;
import io.mla4j.text.Model;
import io.mla4j.text.Tokenizer;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import java.util.OptionalInt;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;

/**
 * {@code mla4j perplexity}: exp of the mean negative log-likelihood of a text's tokens. The text is
 * cut into windows of {@code context - 1} ids; each starts with BOS, which is not scored.
 */
final class PerplexityCommand extends StreamCommand {
  private final ModelOptions options = new ModelOptions();
  Path text;
  int context = 256;
  int maxTokens = Integer.MAX_VALUE;

  @Override
  public void declare(Args args) {
    args.description("Compute the perplexity of a text; the last line of stdout is the figure.");
    options.declare(args);
    options.declarePositions(args);
    args.required("--text FILE", Path.class, v -> text = v, "The text, UTF-8.");
    args.one(
        "--context N",
        int.class,
        v -> context = v,
        "Tokens of a window, BOS included; default: 256.");
    args.one(
        "--max-tokens N",
        int.class,
        v -> maxTokens = v,
        "Score only the first N tokens of the text.");
  }

  @Override
  public void execute() throws IOException {
    if (context < 2) {
      throw usage("--context is " + context + ", but must be at least 2");
    }
    if (maxTokens < 1) {
      throw usage("--max-tokens is " + maxTokens + ", but must be at least 1");
    }
    String content = TextFiles.read(text);
    options.check();
    try (Model model = options.builder(streams).open()) {
      if (context > model.description().context()) {
        throw usage(
            "--context is " + context + ", but the model's is " + model.description().context());
      }
      Tokenizer tokenizer = model.tokenizer();
      int bos = bos(tokenizer, model.description());
      int[] ids = tokenizer.encode(content, false);
      ids = Arrays.copyOf(ids, Math.min(ids.length, maxTokens));
      if (ids.length == 0) {
        throw new Mla4jException(text + ": has no tokens");
      }
      score(model, ids, bos);
    }
  }

  private static int bos(Tokenizer tokenizer, ModelDescription model) {
    OptionalInt bos = tokenizer.bos().isPresent() ? tokenizer.bos() : model.bos();
    return bos.orElseThrow(
        () -> new Mla4jException("the model has no BOS token, which starts every window"));
  }

  private void score(Model model, int[] ids, int bos) {
    long start = System.nanoTime();
    double negativeLogLikelihood = 0;
    try (ProgressBar bar = progressBar(ids.length)) {
      for (int begin = 0; begin < ids.length; begin += context - 1) {
        int count = Math.min(context - 1, ids.length - begin);
        int[] input = new int[count + 1];
        input[0] = bos;
        System.arraycopy(ids, begin, input, 1, count);
        double[] sum = new double[1];
        model.logits(
            new int[][] {input},
            (_, position, logits) -> {
              if (position < count) {
                sum[0] += negativeLogLikelihood(logits, input[position + 1]);
              }
            });
        negativeLogLikelihood += sum[0];
        if (bar != null) {
          bar.stepBy(count);
        }
      }
    }
    double seconds = (System.nanoTime() - start) / 1e9;
    streams.out().printf(Locale.ROOT, "%.6f%n", Math.exp(negativeLogLikelihood / ids.length));
    endResults();
    streams
        .err()
        .printf(
            Locale.ROOT,
            "%d tokens in windows of %d, %.1f tokens/s, %s%n",
            ids.length,
            context,
            ids.length / seconds,
            model.summary() + options.told());
  }

  private ProgressBar progressBar(int tokens) {
    return streams.interactive()
        ? new ProgressBarBuilder().setTaskName("perplexity").setInitialMax(tokens).build()
        : null;
  }

  /** log(sum of exp) - logit, in double. */
  private static double negativeLogLikelihood(Tensor logits, int id) {
    MemorySegment segment = logits.segment();
    int vocabulary = (int) logits.dim(0);
    float largest = Float.NEGATIVE_INFINITY;
    for (int i = 0; i < vocabulary; i++) {
      largest = Math.max(largest, segment.getAtIndex(ValueLayout.JAVA_FLOAT, i));
    }
    double sum = 0;
    for (int i = 0; i < vocabulary; i++) {
      sum += Math.exp(segment.getAtIndex(ValueLayout.JAVA_FLOAT, i) - largest);
    }
    return largest + Math.log(sum) - segment.getAtIndex(ValueLayout.JAVA_FLOAT, id);
  }
}

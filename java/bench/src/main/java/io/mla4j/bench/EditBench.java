package io.mla4j.bench;

import io.mla4j.Batch;
import io.mla4j.LatentCache;
import io.mla4j.Sequence;
import io.mla4j.model.Decoder;
import io.mla4j.model.Decoder.Wanted;
import io.mla4j.model.Largest;
import io.mla4j.ops.Tensor;
import io.mla4j.text.speculation.Experience;
import io.mla4j.text.speculation.GuessTimes;
import io.mla4j.text.speculation.Lookup;
import io.mla4j.text.speculation.Pace;
import io.mla4j.text.speculation.PassTimes;
import io.mla4j.text.speculation.Speculator;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Random;

/**
 * Texts that are given, written with guessed tokens and without, in turns: documents once more with
 * some edits. Every token goes through the model and its likeliest successor is looked for, as in
 * any generation; then the text's own token is taken. So passes and guesses are those of a model
 * that edits, without a model that can. What is likeliest has to be the same with and without
 * guesses.
 */
public final class EditBench {
  private final Decoder decoder;
  private final int[][] documents;
  private final int every;
  private final int repetitions;
  private final Experience experience =
      new Experience(new PassTimes(Pace.MOST + 1), new GuessTimes());
  private final Largest largest = new Largest();
  private final int[] likeliest = new int[Pace.MOST + 1];

  /** By rows: the times of passes with guesses. */
  private final List<List<Double>> passes = new ArrayList<>();

  private final List<Double> plainPasses = new ArrayList<>();
  private long accepted;
  private long guessingPasses;

  /** Over {@code documents}, of whose tokens every {@code every}-th is edited. */
  public EditBench(Decoder decoder, int[][] documents, int every, int repetitions) {
    this.decoder = decoder;
    this.documents = documents;
    this.every = every;
    this.repetitions = repetitions;
    for (int rows = 0; rows <= Pace.MOST + 1; rows++) {
      passes.add(new ArrayList<>());
    }
  }

  /**
   * What guessing gained.
   *
   * @param passes times of passes by rows, as multiples of that of a pass without guesses
   */
  public record Result(int documents, Gain gain, List<Passes> passes) {
    @Override
    public String toString() {
      StringBuilder text = new StringBuilder();
      text.append(
          String.format(
              Locale.ROOT,
              "edited  %d documents, equal choices; %s%n"
                  + "passes  by rows, beside one of one row without guesses:",
              documents,
              gain.by("document")));
      passes.forEach(
          p -> text.append(String.format(Locale.ROOT, " %d: %.2f (%d)", p.rows, p.times, p.count)));
      return text.toString();
    }
  }

  /**
   * Passes of so many rows.
   *
   * @param times their median, as a multiple of that of passes without guesses
   */
  public record Passes(int rows, int count, double times) {}

  /**
   * Measures.
   *
   * @throws BenchException where guesses changed what is likeliest
   */
  public Result run() {
    double[] ratios = new double[documents.length];
    double[] nanos = new double[2];
    long tokens = 0;
    for (int d = 0; d < documents.length; d++) {
      int[] document = documents[d];
      int[] edited = edited(document, every, new Random(d));
      int[] ids = Arrays.copyOf(document, document.length + edited.length);
      System.arraycopy(edited, 0, ids, document.length, edited.length);
      double[][] times = new double[2][repetitions];
      for (int r = d == 0 ? -1 : 0; r < repetitions; r++) {
        int[] expected = new int[ids.length];
        int[] chosen = new int[ids.length];
        double plain = write(ids, document.length, expected, null);
        double guessing =
            write(ids, document.length, chosen, new Speculator(new Lookup(), experience));
        int at = Arrays.mismatch(expected, chosen);
        if (at >= 0) {
          throw new BenchException(
              "with guesses, what is likeliest behind token "
                  + at
                  + " of document "
                  + d
                  + " is another one");
        }
        if (r < 0) {
          // All of the first round warms up.
          passes.forEach(List::clear);
          plainPasses.clear();
          accepted = 0;
          guessingPasses = 0;
        } else {
          times[0][r] = plain;
          times[1][r] = guessing;
        }
      }
      double plain = Statistics.median(times[0]);
      double guessing = Statistics.median(times[1]);
      ratios[d] = plain / guessing;
      nanos[0] += plain;
      nanos[1] += guessing;
      tokens += edited.length;
    }
    Arrays.sort(ratios);
    return new Result(
        documents.length,
        new Gain(
            tokens / nanos[0] * 1e9,
            tokens / nanos[1] * 1e9,
            ratios,
            (double) accepted / Math.max(1, guessingPasses)),
        byRows());
  }

  private List<Passes> byRows() {
    double plain = median(plainPasses);
    List<Passes> all = new ArrayList<>();
    for (int rows = 1; rows < passes.size(); rows++) {
      List<Double> times = passes.get(rows);
      if (!times.isEmpty()) {
        all.add(new Passes(rows, times.size(), median(times) / plain));
      }
    }
    return all;
  }

  private static double median(List<Double> values) {
    return Statistics.median(values.stream().mapToDouble(Double::doubleValue).toArray());
  }

  /**
   * The document with an edit of every {@code every}-th token: in turns it becomes another one, is
   * left out, and gets one before it.
   */
  static int[] edited(int[] document, int every, Random random) {
    int[] edited = new int[2 * document.length];
    int n = 0;
    int edits = 0;
    for (int i = 0; i < document.length; i++) {
      int kind = (i + 1) % every == 0 ? edits++ % 3 : -1;
      if (kind == 0 || kind == 2) {
        edited[n++] = document[random.nextInt(document.length)];
      }
      if (kind == -1 || kind == 2) {
        edited[n++] = document[i];
      }
    }
    return Arrays.copyOf(edited, n);
  }

  /**
   * Writes what is behind the first {@code from} of {@code ids}.
   *
   * @param chosen what was likeliest at each place
   * @param speculator null for no guesses
   * @return nanoseconds
   */
  private double write(int[] ids, int from, int[] chosen, Speculator speculator) {
    try (LatentCache cache = decoder.newCache(1, ids.length + Pace.MOST + 1);
        Sequence sequence = cache.newSequence()) {
      Batch batch = Batch.of(sequence);
      int chunk = decoder.options().chunk();
      for (int i = 0; i < from - 1; i += chunk) {
        decoder.append(batch, Arrays.copyOfRange(ids, i, Math.min(from - 1, i + chunk)));
      }
      long start = System.nanoTime();
      int count = from;
      while (count < ids.length) {
        int given = pass(batch, ids, count, speculator);
        System.arraycopy(likeliest, 0, chosen, count, given);
        count += given;
        sequence.truncate(count - 1);
      }
      return System.nanoTime() - start;
    }
  }

  /** A pass behind the first {@code count} of {@code ids}; the tokens that it gives. */
  private int pass(Batch batch, int[] ids, int count, Speculator speculator) {
    int n = speculator == null ? 0 : speculator.guess(ids, count, ids.length - count - 1);
    int[] rows = new int[1 + n];
    rows[0] = ids[count - 1];
    for (int i = 0; i < n; i++) {
      rows[1 + i] = speculator.guess(i);
    }
    long start = System.nanoTime();
    Tensor hidden =
        decoder.forward(batch, speculator == null ? Wanted.LAST : Wanted.EACH, null, rows);
    decoder.logits(hidden, (row, logits) -> likeliest[row] = largest.of(logits.segment()));
    long nanos = System.nanoTime() - start;
    if (speculator == null) {
      plainPasses.add((double) nanos);
      return 1;
    }
    passes.get(1 + n).add((double) nanos);
    speculator.ran(n, nanos);
    int given = 1;
    boolean right = true;
    for (int i = 0; i < n && right; i++) {
      right = speculator.guess(i) == ids[count + i];
      speculator.checked(i, right);
      given += right ? 1 : 0;
    }
    speculator.gave(given);
    accepted += given - 1;
    guessingPasses++;
    return given;
  }
}

package io.mla4j.bench;

import io.mla4j.Backends;
import io.mla4j.Batch;
import io.mla4j.Device;
import io.mla4j.LatentCache;
import io.mla4j.Mla4jException;
import io.mla4j.Sequence;
import io.mla4j.checkpoint.Checkpoint;
import io.mla4j.checkpoint.ConfigReader;
import io.mla4j.checkpoint.ModelDescription;
import io.mla4j.checkpoint.WeightTable;
import io.mla4j.model.Decoder;
import io.mla4j.model.DecoderOptions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;

/**
 * How much a cache type, a compute type and a form of attention change what a model computes. Each
 * setting reads the same windows of a text, each in one step; in the first one attention and the
 * residual stream are looked at.
 */
public final class PrecisionBench {
  /** Tokens that the reference continues the first ones of the text by. */
  static final int GREEDY = 200;

  private static final int MOST_PROMPT = 32;

  private final ModelDescription model;
  private final WeightTable weights;
  private final int[][] windows;

  /** How many of the first window's ids are continued. */
  private final int prompt;

  /** Logits of every position of the windows. */
  private final List<float[]> expected = new ArrayList<>();

  private List<float[]> expectedResiduals = List.of();
  private int[] continued = new int[0];

  /**
   * Over an open checkpoint.
   *
   * @param windows ids of the text, each window beginning afresh
   */
  public PrecisionBench(Checkpoint checkpoint, int[][] windows) {
    this.windows = windows;
    model = ConfigReader.read(checkpoint);
    weights = WeightTable.resolve(model, checkpoint);
    prompt = Math.min(MOST_PROMPT, windows[0].length);
  }

  /** The backends whose memory is the host's, the fastest first. */
  public static List<Backends.Choice> backends(int threads) {
    return Backends.list().stream()
        .filter(status -> status.available())
        .map(status -> new Backends.Choice(status.name(), null, threads))
        .filter(PrecisionBench::isOfHost)
        .toList();
  }

  private static boolean isOfHost(Backends.Choice choice) {
    try (Device device = Backends.open(choice)) {
      return device.hostAccessible();
    }
  }

  /**
   * Every setting on these backends, compared with float32 on the first one.
   *
   * @param name of the model
   * @param progress takes a line for each setting that is done
   */
  public PrecisionReport run(
      String name, List<Backends.Choice> backends, Consumer<String> progress) {
    measureReference(backends.getFirst());
    List<PrecisionResult> results = new ArrayList<>();
    for (PrecisionSetting setting : PrecisionSetting.all(backends)) {
      results.add(measure(setting));
      progress.accept(
          setting.backend().backend() + ", " + setting.types() + ", " + setting.form() + ": done");
    }
    int tokens = Arrays.stream(windows).mapToInt(ids -> ids.length).sum();
    return new PrecisionReport(
        name
            + " ("
            + model.family()
            + "), "
            + tokens
            + " tokens in windows of "
            + windows[0].length
            + ", "
            + Machine.detect().processor(),
        results);
  }

  /** Computes what the others are compared with. */
  void measureReference(Backends.Choice backend) {
    PrecisionSetting setting = PrecisionSetting.reference(backend);
    PrecisionRecorder recorder = new PrecisionRecorder(setting.form());
    try (Device device = Backends.open(backend);
        Decoder decoder = decoder(new RecordingDevice(device, recorder), setting)) {
      for (int i = 0; i < windows.length; i++) {
        recorder.listen(i == 0);
        forward(decoder, windows[i], (_, logits) -> expected.add(logits));
      }
      expectedResiduals = recorder.residuals();
      continued = continueGreedily(decoder);
    }
  }

  private int[] continueGreedily(Decoder decoder) {
    int count = Math.min(GREEDY, model.context() - prompt);
    int[] ids = Arrays.copyOf(windows[0], prompt + count);
    try (LatentCache cache = decoder.newCache(1, ids.length);
        Sequence sequence = cache.newSequence()) {
      Batch batch = Batch.of(sequence);
      for (int done = 0, next = prompt; next < ids.length; done = next++) {
        int at = next;
        decoder.logits(
            decoder.forwardLast(batch, Arrays.copyOfRange(ids, done, next)),
            (_, logits) -> ids[at] = largest(logits.toArray()));
      }
    }
    return ids;
  }

  /** Computes with one setting. */
  PrecisionResult measure(PrecisionSetting setting) {
    PrecisionRecorder recorder = new PrecisionRecorder(setting.form());
    Scores scores = new Scores();
    try (Device device = Backends.open(setting.backend());
        Decoder decoder = decoder(new RecordingDevice(device, recorder), setting)) {
      for (int i = 0; i < windows.length; i++) {
        recorder.listen(i == 0);
        int[] ids = windows[i];
        forward(decoder, ids, (t, logits) -> scores.add(ids, t, logits));
      }
      recorder.listen(false);
      int[] agreed = new int[1];
      forward(
          decoder,
          continued,
          (t, logits) -> {
            if (t >= prompt - 1 && t + 1 < continued.length) {
              agreed[0] += largest(logits) == continued[t + 1] ? 1 : 0;
            }
          });
      return new PrecisionResult(
          setting,
          null,
          model.cacheBytesPerLayer(setting.cache()),
          recorder.layers(),
          changes(recorder.residuals()),
          Math.exp(scores.negativeLogLikelihood / scores.predicted),
          scores.divergence.stream().mapToDouble(d -> d).toArray(),
          new PrecisionResult.Greedy(agreed[0], continued.length - prompt));
    } catch (Mla4jException e) {
      return PrecisionResult.refused(setting, e.getMessage());
    }
  }

  private Decoder decoder(Device device, PrecisionSetting s) {
    int chunk = Math.max(windows[0].length, GREEDY + prompt);
    return new Decoder(
        model,
        weights,
        device,
        new DecoderOptions(
            s.compute(),
            s.cache(),
            s.form(),
            DecoderOptions.DEFAULT_PAGE_SIZE,
            chunk,
            s.probabilities()));
  }

  /** Takes the logits of a position. */
  private interface Rows {
    void take(int position, float[] logits);
  }

  private static void forward(Decoder decoder, int[] ids, Rows rows) {
    try (LatentCache cache = decoder.newCache(1, ids.length);
        Sequence sequence = cache.newSequence()) {
      decoder.logits(
          decoder.forward(Batch.of(sequence), ids),
          (position, logits) -> rows.take(position, logits.toArray()));
    }
  }

  private static int largest(float[] logits) {
    int at = 0;
    for (int i = 1; i < logits.length; i++) {
      at = logits[i] > logits[at] ? i : at;
    }
    return at;
  }

  /** A layer is two branches: attention and a network. */
  private double[] changes(List<float[]> residuals) {
    double[] changes = new double[residuals.size()];
    for (int i = 0; i < changes.length; i++) {
      float[] exact = expectedResiduals.get(i);
      float[] actual = residuals.get(i);
      double difference = 0;
      double size = 0;
      for (int j = 0; j < exact.length; j++) {
        double d = (double) actual[j] - exact[j];
        difference += d * d;
        size += (double) exact[j] * exact[j];
      }
      changes[i] = Math.sqrt(difference / size);
    }
    return changes;
  }

  /** The text by one setting. */
  private final class Scores {
    private double negativeLogLikelihood;
    private long predicted;
    private final List<Double> divergence = new ArrayList<>();

    void add(int[] ids, int t, float[] logits) {
      float[] exact = expected.get(divergence.size());
      double logSum = logSum(logits);
      double exactLogSum = logSum(exact);
      double sum = 0;
      for (int i = 0; i < exact.length; i++) {
        double p = exact[i] - exactLogSum;
        sum += Math.exp(p) * (p - (logits[i] - logSum));
      }
      divergence.add(Math.max(0, sum));
      if (t + 1 < ids.length) {
        negativeLogLikelihood += logSum - logits[ids[t + 1]];
        predicted++;
      }
    }
  }

  /** {@code log sum exp}, in double. */
  static double logSum(float[] logits) {
    double max = logits[largest(logits)];
    double sum = 0;
    for (float x : logits) {
      sum += Math.exp(x - max);
    }
    return max + Math.log(sum);
  }
}

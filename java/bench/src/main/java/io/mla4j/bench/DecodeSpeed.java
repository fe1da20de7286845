package io.mla4j.bench;

import io.mla4j.CacheType;
import io.mla4j.checkpoint.Checkpoint;
import io.mla4j.checkpoint.ConfigReader;
import io.mla4j.checkpoint.ModelDescription;
import io.mla4j.checkpoint.WeightTable;
import io.mla4j.cpu.CpuDevice;
import io.mla4j.model.Decoder;
import io.mla4j.model.DecoderOptions;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * How fast a model decodes behind a long context beside another one, measured in turns, and what
 * bytes and FLOP predict. The context's rows are random.
 *
 * <p>Predicted is the sum of two rooflines, {@code max(bytes / bandwidth, FLOP / peak)} of the
 * matrices and of attention, with the bandwidth of reading as many bytes as a token needs again and
 * again, so that what fits a processor's cache counts as that.
 */
final class DecodeSpeed implements AutoCloseable {
  /** Tokens of a run. */
  private static final int TOKENS = 8;

  /** Samples of each. */
  private static final int ROUNDS = 7;

  /** About what a measurement takes, warm-up included. */
  static final double SECONDS = 2;

  private static final long WARM_UP_NANOS = 300_000_000;
  private static final long MOST_WARM_UP_NANOS = 3_000_000_000L;
  private static final long SAMPLE_NANOS = 40_000_000;

  private final Lab lab;
  private final CpuDevice device;
  private final int context;
  private final Opened original;

  /**
   * One model's figures.
   *
   * @param tokensPerSecond measured
   * @param factor how many times as fast as the original, the median over samples in turns
   * @param predicted the same, as bytes and FLOP have it
   * @param memory the share of predicted time that waits for bytes
   */
  public record Speed(double tokensPerSecond, double factor, double predicted, double memory) {}

  /**
   * Opens the original.
   *
   * @param backend of the processor
   * @param context cached tokens before those that are timed
   */
  DecodeSpeed(Path model, String backend, int threads, int context) {
    this.context = context;
    lab = new Lab(Settings.usual());
    try {
      device = lab.device(backend, null, threads);
      original = new Opened(model, CacheType.BF16);
    } catch (RuntimeException | Error e) {
      lab.close();
      throw e;
    }
  }

  /** A model behind its context. */
  private final class Opened implements AutoCloseable {
    final Checkpoint checkpoint;
    final WeightTable weights;
    final Decoder decoder;
    final GenerationCase generation;
    final ModelWork.Token token;

    Opened(Path directory, CacheType type) {
      checkpoint = Checkpoint.open(directory);
      Decoder made = null;
      try {
        ModelDescription read = ConfigReader.read(checkpoint);
        ModelDescription model = read.withContext(Math.max(read.context(), context + TOKENS + 1));
        weights = WeightTable.resolve(model, checkpoint);
        DecoderOptions usual = DecoderOptions.defaults(device, weights.isQuantised());
        DecoderOptions options =
            new DecoderOptions(
                usual.compute(), type, usual.form(), usual.pageSize(), usual.chunk());
        made = new Decoder(model, weights, device, options);
        decoder = made;
        generation =
            new GenerationCase(
                decoder, weights, device, directory.getFileName().toString(), context, TOKENS);
        token = ModelWork.token(decoder, weights, context + (TOKENS + 1) / 2);
      } catch (RuntimeException | Error e) {
        if (made != null) {
          made.close();
        }
        checkpoint.close();
        throw e;
      }
    }

    /** GB/s of reading what a token reads, again and again. */
    double bandwidth() {
      return DecodeSpeed.this.bandwidth(token.matrices().bytes() + token.attention().bytes());
    }

    void warmUp() {
      new WarmUp(System::nanoTime, Compilers::areBusy)
          .run(generation::run, WARM_UP_NANOS, MOST_WARM_UP_NANOS, () -> false);
    }

    /** Seconds of a token: the median of some runs. */
    double sample() {
      double[] seconds = new double[256];
      int count = 0;
      long begin = System.nanoTime();
      long last = begin;
      while (count == 0 || last - begin < SAMPLE_NANOS && count < seconds.length) {
        generation.run();
        long now = System.nanoTime();
        seconds[count++] = (now - last) / 1e9 / TOKENS;
        last = now;
      }
      return Statistics.median(Arrays.copyOf(seconds, count));
    }

    @Override
    public void close() {
      generation.close();
      decoder.close();
      checkpoint.close();
    }
  }

  /** What a token should take, and how much of it waits for bytes. */
  private record Prediction(double seconds, double waiting) {}

  private Prediction predict(Opened model, double bandwidth, double peak) {
    double seconds = 0;
    double waiting = 0;
    for (Work work : new Work[] {model.token.matrices(), model.token.attention()}) {
      double reading = work.bytes() / (1e9 * bandwidth);
      double computing = work.flop() / (1e9 * peak);
      seconds += Math.max(reading, computing);
      waiting += reading >= computing ? reading : 0;
    }
    return new Prediction(seconds, waiting / seconds);
  }

  private double bandwidth(long bytes) {
    int threads = device.threads();
    long each = bytes / threads / 4096 * 4096;
    if (each * threads > lab.pool().bytes()) {
      return lab.meter().coldRead(device.workers());
    }
    PeakMeter.Rate rate =
        lab.meter().hasNative() ? PeakMeter.Rate.NATIVE_READ : PeakMeter.Rate.JAVA_READ;
    return lab.meter().warmRead(rate, device.workers(), each);
  }

  /** Measures a model beside the original, whose cache is of bf16. */
  Speed measure(Path model, CacheType type) {
    try (Opened other = new Opened(model, type)) {
      original.warmUp();
      other.warmUp();
      double[] factors = new double[ROUNDS];
      double[] seconds = new double[ROUNDS];
      double[] before = new double[ROUNDS];
      double[] after = new double[ROUNDS];
      double[] peak = new double[ROUNDS];
      for (int i = 0; i < ROUNDS; i++) {
        double first = original.sample();
        seconds[i] = other.sample();
        factors[i] = (first + original.sample()) / 2 / seconds[i];
        // In turns too: whoever is measured behind the other must not have another limit for it.
        boolean turned = i % 2 != 0;
        after[i] = turned ? other.bandwidth() : 0;
        before[i] = original.bandwidth();
        after[i] = turned ? after[i] : other.bandwidth();
        peak[i] = other.generation.limits.peak(other.generation.axes, lab.meter());
      }
      double usable = Statistics.median(peak);
      Prediction expected = predict(other, Statistics.median(after), usable);
      return new Speed(
          1 / Statistics.median(seconds),
          Statistics.median(factors),
          predict(original, Statistics.median(before), usable).seconds / expected.seconds,
          expected.waiting);
    }
  }

  @Override
  public void close() {
    original.close();
    lab.close();
  }
}

package io.mla4j.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import io.mla4j.Backends;
import io.mla4j.Batch;
import io.mla4j.Device;
import io.mla4j.LatentCache;
import io.mla4j.Sequence;
import io.mla4j.checkpoint.Checkpoint;
import io.mla4j.checkpoint.ConfigReader;
import io.mla4j.checkpoint.ModelDescription;
import io.mla4j.checkpoint.WeightTable;
import io.mla4j.model.Decoder;
import io.mla4j.model.DecoderOptions;
import io.mla4j.ops.Tensor;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;

/** The model that the options name, on the device that they name, and how that is told. */
final class OpenModel implements AutoCloseable {
  /** Takes the logits of a position of a sequence. */
  @FunctionalInterface
  interface LogitConsumer {
    /** logits (vocabulary) F32 after token {@code position}, valid during the call. */
    void accept(int sequence, int position, Tensor logits);
  }

  private final Checkpoint checkpoint;
  private final Device device;
  private final Decoder decoder;

  private OpenModel(Checkpoint checkpoint, Device device, Decoder decoder) {
    this.checkpoint = checkpoint;
    this.device = device;
    this.decoder = decoder;
  }

  /** Opens what the options name. */
  static OpenModel open(ModelOptions options, Streams streams) {
    options.check();
    Path directory = options.directory();
    ModelDescription model = ConfigReader.read(directory);
    Checkpoint checkpoint = Checkpoint.open(directory);
    Device device = null;
    try {
      WeightTable weights = WeightTable.resolve(model, checkpoint);
      device = Backends.open(new Backends.Choice(options.backend, options.isa, options.threads));
      return new OpenModel(checkpoint, device, decoder(model, weights, device, options, streams));
    } catch (RuntimeException | Error e) {
      if (device != null) {
        device.close();
      }
      checkpoint.close();
      throw e;
    }
  }

  /** Shows on a terminal how far weights are copied to a device with memory of its own. */
  private static Decoder decoder(
      ModelDescription model,
      WeightTable weights,
      Device device,
      ModelOptions options,
      Streams streams) {
    DecoderOptions decoderOptions = options.decoderOptions(device);
    if (device.hostAccessible() || !streams.interactive()) {
      return new Decoder(model, weights, device, decoderOptions);
    }
    try (ProgressBar bar =
        new ProgressBarBuilder().setTaskName("weights").setUnit(" MiB", 1 << 20).build()) {
      return new Decoder(
          model,
          weights,
          device,
          decoderOptions,
          (bytes, all) -> {
            bar.maxHint(all);
            bar.stepTo(bytes);
          });
    }
  }

  ModelDescription description() {
    return decoder.model();
  }

  Decoder decoder() {
    return decoder;
  }

  DecoderOptions options() {
    return decoder.options();
  }

  /** A pool with room for exactly these sequences. */
  LatentCache newCache(int[][] ids) {
    int longest = Arrays.stream(ids).mapToInt(i -> i.length).max().orElse(1);
    return decoder.newCache(ids.length, longest);
  }

  /**
   * Runs sequences of ids from their start, in steps of up to {@code chunk} tokens of each: how a
   * sequence is cut, and so its bits, does not depend on the others.
   */
  void run(LatentCache cache, int[][] ids, LogitConsumer consumer) {
    List<Sequence> sequences = new ArrayList<>();
    try {
      for (int i = 0; i < ids.length; i++) {
        sequences.add(cache.newSequence());
      }
      boolean more = true;
      while (more) {
        more = step(sequences, ids, consumer);
      }
    } finally {
      sequences.forEach(Sequence::close);
    }
  }

  private boolean step(List<Sequence> sequences, int[][] ids, LogitConsumer consumer) {
    List<Sequence> active = new ArrayList<>();
    List<int[]> next = new ArrayList<>();
    List<int[]> origins = new ArrayList<>(); // of each row: its sequence and position
    for (int i = 0; i < ids.length; i++) {
      int begin = sequences.get(i).length();
      int end = (int) Math.min(ids[i].length, (long) begin + options().chunk());
      if (begin < end) {
        active.add(sequences.get(i));
        next.add(Arrays.copyOfRange(ids[i], begin, end));
        for (int position = begin; position < end; position++) {
          origins.add(new int[] {i, position});
        }
      }
    }
    if (active.isEmpty()) {
      return false;
    }
    Tensor hidden =
        decoder.forward(Batch.of(active.toArray(Sequence[]::new)), next.toArray(int[][]::new));
    decoder.logits(
        hidden, (row, logits) -> consumer.accept(origins.get(row)[0], origins.get(row)[1], logits));
    return true;
  }

  /** {@code backend native, isa avx2, form auto, compute f32, cache f32, 2 threads}. */
  String figures() {
    return String.format(
        Locale.ROOT,
        "backend %s, isa %s, form %s, compute %s, cache %s, %d threads",
        device.backend(),
        device.isa(),
        lower(options().form()),
        lower(options().compute()),
        lower(options().cacheType()),
        device.threads());
  }

  /** The same as fields. */
  void writeFigures(JsonGenerator json) throws IOException {
    json.writeStringField("backend", device.backend());
    json.writeStringField("isa", device.isa());
    json.writeStringField("form", lower(options().form()));
    json.writeStringField("computeType", lower(options().compute()));
    json.writeStringField("cacheType", lower(options().cacheType()));
    json.writeNumberField("threads", device.threads());
  }

  private static String lower(Object value) {
    return value.toString().toLowerCase(Locale.ROOT);
  }

  @Override
  public void close() {
    decoder.close();
    device.close();
    checkpoint.close();
  }
}

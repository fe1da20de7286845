package io.mla4j.bench.jmh;

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
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * One token of the carried model, logits included. With {@code -prof gc}, gc.alloc.rate.norm is
 * what a token allocates.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
public class TokenBenchmark {
  private static final int CONTEXT = 1024;

  /** Who computes. */
  @Param({"native", "vector"})
  public String backend;

  private final int[] id = {7};
  private Checkpoint checkpoint;
  private Device device;
  private Decoder decoder;
  private LatentCache cache;
  private Sequence sequence;
  private Batch batch;
  private float sum;

  /** Opens the model. */
  @Setup
  public void open() {
    Path folder = Path.of(System.getProperty("mla4j.root"), "models", "tiny-mla");
    ModelDescription model = ConfigReader.read(folder);
    checkpoint = Checkpoint.open(folder);
    device = Backends.open(new Backends.Choice(backend, null, 0));
    WeightTable weights = WeightTable.resolve(model, checkpoint);
    decoder = new Decoder(model, weights, device, DecoderOptions.defaults(device, false));
    cache = decoder.newCache(1, CONTEXT);
    sequence = cache.newSequence();
    batch = Batch.of(sequence);
  }

  /** Frees it. */
  @TearDown
  public void close() {
    sequence.close();
    cache.close();
    decoder.close();
    device.close();
    checkpoint.close();
  }

  /** One token more; the sequence starts again when the cache is full. */
  @Benchmark
  public float token() {
    if (sequence.length() == CONTEXT) {
      sequence.truncate(0);
    }
    decoder.logits(
        decoder.forward(batch, id),
        (_, logits) -> sum += logits.segment().get(java.lang.foreign.ValueLayout.JAVA_FLOAT, 0));
    return sum;
  }
}

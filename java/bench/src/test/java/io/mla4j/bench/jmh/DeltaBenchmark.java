package io.mla4j.bench.jmh;

import io.mla4j.AttentionForm;
import io.mla4j.Backends;
import io.mla4j.Batch;
import io.mla4j.BoundOperation;
import io.mla4j.CacheType;
import io.mla4j.Device;
import io.mla4j.LatentCache;
import io.mla4j.LatentLayout;
import io.mla4j.MlaShape;
import io.mla4j.Sequence;
import io.mla4j.StateLayout;
import io.mla4j.Step;
import io.mla4j.ops.AttendDelta;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import java.util.Random;
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

/** Steps through the recurrence of the 18 layers of Ling-3.0-tiny's size that have a state. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
public class DeltaBenchmark {
  private static final StateLayout STATE = new StateLayout(16, 128);
  private static final MlaShape SHAPE = new MlaShape(16, 512, 64, 128, 128);
  private static final int LAYERS = 18;
  private static final int TOKENS = 1 << 20;

  /** The backend, and its instruction set behind a slash. */
  @Param({"native/avx512", "native/avx2", "native/generic", "vector/", "scalar/"})
  public String backend;

  /** Tokens of a step. */
  @Param({"1", "64"})
  public int tokens;

  private final Random random = new Random(1);
  private Device device;
  private LatentCache cache;
  private Sequence sequence;
  private final BoundOperation[] layers = new BoundOperation[LAYERS];

  private Tensor random(double size, long... shape) {
    Tensor tensor = Tensor.allocate(device, StorageFormat.F32, shape);
    long count = tensor.segment().byteSize() / Float.BYTES;
    float[] values = new float[(int) count];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (random.nextGaussian() * size);
    }
    return tensor.copyFrom(values);
  }

  /** Binds the layers. */
  @Setup
  public void open() {
    String isa = backend.substring(backend.indexOf('/') + 1);
    device =
        Backends.open(
            new Backends.Choice(
                backend.substring(0, backend.indexOf('/')), isa.isEmpty() ? null : isa, 1));
    cache =
        LatentCache.builder(device)
            .layout(LatentLayout.of(SHAPE, CacheType.BF16))
            .states(STATE, LAYERS)
            .pages(TOKENS / 64 / 16)
            .build();
    sequence = cache.newSequence();
    int channels = STATE.heads() * STATE.width();
    for (int i = 0; i < LAYERS; i++) {
      layers[i] =
          device.bind(
              new AttendDelta(
                  i,
                  new AttendDelta.Inputs(
                      random(1, tokens, channels),
                      random(1, tokens, channels),
                      random(1, tokens, channels),
                      random(1, tokens, channels),
                      random(1, tokens, STATE.heads()),
                      random(1, tokens, channels)),
                  new AttendDelta.Weights(
                      random(0.5, 3 * StateLayout.TAPS, channels),
                      random(1, STATE.heads()),
                      random(1, channels),
                      random(1, STATE.width()),
                      1e-6f),
                  new AttendDelta.Decay.Bounded(-5),
                  random(1, tokens, channels)));
    }
  }

  /** Frees everything. */
  @TearDown
  public void close() {
    cache.close();
    device.close();
  }

  /** One step of all layers. */
  @Benchmark
  public void step() {
    if (sequence.length() > TOKENS / 16 - 2 * tokens) {
      sequence.truncate(0);
    }
    try (Step step = Batch.of(sequence).reserve(tokens)) {
      var plan = step.plan(SHAPE, AttentionForm.ABSORBED);
      for (BoundOperation layer : layers) {
        layer.run(plan);
      }
      step.commit();
    }
  }
}

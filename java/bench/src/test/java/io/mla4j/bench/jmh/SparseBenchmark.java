package io.mla4j.bench.jmh;

import io.mla4j.AttentionForm;
import io.mla4j.Backends;
import io.mla4j.Batch;
import io.mla4j.BoundOperation;
import io.mla4j.CacheType;
import io.mla4j.DecodePlan;
import io.mla4j.Device;
import io.mla4j.LatentCache;
import io.mla4j.LatentLayout;
import io.mla4j.MlaShape;
import io.mla4j.Sequence;
import io.mla4j.Step;
import io.mla4j.ops.AppendLatent;
import io.mla4j.ops.AppendRows;
import io.mla4j.ops.Attend;
import io.mla4j.ops.AttendChosen;
import io.mla4j.ops.AttentionScore;
import io.mla4j.ops.ChooseKeys;
import io.mla4j.ops.LatentUp;
import io.mla4j.ops.RopeLayout;
import io.mla4j.ops.Rotation;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
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

/**
 * One decoded token in one layer after a long context: attention to all tokens, the choice of 2048
 * of them, and attention to these. Projections are left out, which are the same in both.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
public class SparseBenchmark {
  private static final int TOP_K = 2048;
  private static final int INDEX_WIDTH = 128;
  private static final int CHUNK = 1024;

  /** The instruction set. */
  @Param({"avx512bf16", "avx512", "avx2"})
  public String isa;

  /** Heads of attention. */
  @Param({"16", "128"})
  public int heads;

  /** Heads of the indexer. */
  @Param({"16", "64"})
  public int indexHeads;

  /** Tokens before the one that is decoded. */
  @Param({"32768"})
  public int context;

  private final Random random = new Random(1);
  private Device device;
  private LatentCache cache;
  private Step step;
  private DecodePlan plan;
  private BoundOperation dense;
  private BoundOperation choose;
  private BoundOperation chosen;

  private Tensor random(double size, long... shape) {
    Tensor tensor = Tensor.allocate(device, StorageFormat.F32, shape);
    float[] values = new float[(int) (tensor.segment().byteSize() / Float.BYTES)];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (random.nextGaussian() * size);
    }
    return tensor.copyFrom(values);
  }

  /** Fills the cache and binds the operations. */
  @Setup
  public void open() {
    device = Backends.open(new Backends.Choice("native", isa, 1));
    MlaShape shape = new MlaShape(heads, 512, 64, 128, 128);
    cache =
        LatentCache.builder(device)
            .layout(LatentLayout.of(shape, CacheType.BF16))
            .group(new LatentLayout(INDEX_WIDTH, 0, CacheType.BF16), 1)
            .tokens(context + CHUNK)
            .build();
    Sequence sequence = cache.newSequence();
    Batch batch = Batch.of(sequence);
    while (sequence.length() < context) {
      try (Step filling = batch.reserve(CHUNK)) {
        append(filling.plan(shape, AttentionForm.ABSORBED), shape);
        filling.commit();
      }
    }
    step = batch.reserve(1);
    plan = step.plan(shape, AttentionForm.ABSORBED);
    append(plan, shape);
    Tensor choice = Tensor.allocate(device, StorageFormat.I32, 1, TOP_K);
    choose =
        device.bind(
            new ChooseKeys(
                1, 0, random(1, 1, indexHeads, INDEX_WIDTH), random(1, 1, indexHeads), choice));
    LatentUp up =
        LatentUp.fused(Weight.of(random(0.04, (long) heads * (128 + 128), shape.latent())));
    Attend attend =
        new Attend(
            0,
            shape,
            random(1, 1, heads, shape.query()),
            up,
            AttentionScore.of(1 / (float) Math.sqrt(shape.query())),
            device.preferredComputeType(),
            random(1, 1, heads, shape.value()));
    dense = device.bind(attend);
    chosen = device.bind(new AttendChosen(attend, choice));
    choose.run(plan);
  }

  private void append(DecodePlan to, MlaShape shape) {
    int n = to.tokens();
    int pairs = shape.rope() / 2;
    Rotation rotation = new Rotation(random(1, n, pairs), random(1, n, pairs), RopeLayout.PAIRS);
    device.run(new AppendLatent(0, random(1, n, shape.cached()), null, 0, rotation), to);
    device.run(new AppendRows(1, 0, random(1, n, INDEX_WIDTH)), to);
  }

  /** Frees everything. */
  @TearDown
  public void close() {
    step.close();
    cache.close();
    device.close();
  }

  /** Attention to all tokens. */
  @Benchmark
  public void dense() {
    dense.run(plan);
  }

  /** Scores of all tokens, and the choice. */
  @Benchmark
  public void choose() {
    choose.run(plan);
  }

  /** Attention to the tokens that were chosen. */
  @Benchmark
  public void chosen() {
    chosen.run(plan);
  }
}

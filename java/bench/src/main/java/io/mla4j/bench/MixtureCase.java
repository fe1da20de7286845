package io.mla4j.bench;

import io.mla4j.ComputeType;
import io.mla4j.Routing;
import io.mla4j.Tensor;
import io.mla4j.TensorType;
import io.mla4j.Weight;
import io.mla4j.bench.LinearGrid.MixtureSize;
import io.mla4j.cpu.CpuDevice;
import io.mla4j.spi.Ops.FeedForward;
import io.mla4j.spi.Ops.Mixture;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/**
 * A mixture of experts as a decoder calls it: router, the networks of the chosen experts, their
 * weighted sum. Its weights are more than any cache holds.
 */
final class MixtureCase extends CpuCase {
  /** Small inputs: weights of deviation 1 make them large enough. */
  private static final double DEVIATION = 1e-3;

  /** Of a row's length: float32 sums over the inner width, in another order. */
  private static final double F32_DISTANCE = 1e-5;

  /** Inputs of both products are rounded to bf16. */
  private static final double BF16_DISTANCE = 1e-2;

  private final MixtureSize size;
  private final ComputeType compute;
  private final Arena arena = Arena.ofShared();
  private final Mixture mixture;
  private final Tensor x;
  private final Tensor out;

  MixtureCase(
      CpuDevice device, MixtureSize size, ComputeType compute, TensorType type, DataPool pool) {
    super(axes(device, size, compute, type), work(size, type), device);
    this.size = size;
    this.compute = compute;
    long matrix = (long) size.hidden() * size.inner() * type.bytes();
    List<FeedForward> experts = new ArrayList<>();
    for (int e = 0; e < size.experts(); e++) {
      experts.add(
          new FeedForward(
              weight(pool, matrix * 3 * e, type, size.inner(), size.hidden()),
              weight(pool, matrix * (3 * e + 1), type, size.inner(), size.hidden()),
              weight(pool, matrix * (3 * e + 2), type, size.hidden(), size.inner())));
    }
    Routing routing =
        new Routing(
            size.experts(),
            size.topK(),
            Routing.Score.SOFTMAX,
            1,
            1,
            Routing.GroupScore.MAX,
            Routing.GroupMask.NEGATIVE_INFINITY,
            false,
            1);
    Tensor router = RandomNumbers.bf16(device, arena, 1, size.experts(), size.hidden());
    mixture = new Mixture(routing, Weight.of(router), null, experts, null);
    x = RandomNumbers.floats(device, arena, DEVIATION, size.tokens(), size.hidden());
    out = RandomNumbers.floats(device, arena, 0, size.tokens(), size.hidden());
  }

  private static Weight weight(DataPool pool, long offset, TensorType type, int n, int k) {
    return Weight.of(Tensor.of(pool.slice(offset, (long) n * k * type.bytes()), type, n, k));
  }

  static long weightBytes(MixtureSize size, TensorType type) {
    return 3L * size.experts() * size.hidden() * size.inner() * type.bytes();
  }

  static Work work(MixtureSize size, TensorType type) {
    long networks = 6L * size.tokens() * size.topK() * size.hidden() * size.inner();
    long router = 2L * size.tokens() * size.hidden() * size.experts();
    return new Work(networks + router, weightBytes(size, type), 0);
  }

  static Axes axes(CpuDevice device, MixtureSize size, ComputeType compute, TensorType type) {
    return new Axes(
        "grouped",
        null,
        device.backend(),
        device.isa(),
        null,
        null,
        0,
        size.tokens(),
        0,
        0,
        device.threads(),
        AttentionSpec.lower(compute),
        null,
        0,
        "cold",
        size.topK()
            + " of "
            + size.experts()
            + " experts "
            + size.hidden()
            + "x"
            + size.inner()
            + " "
            + AttentionSpec.lower(type));
  }

  @Override
  void run() {
    device.ops().mixture(x, mixture, compute, out);
  }

  @Override
  boolean isBoundByMemory() {
    return false;
  }

  /** Against the same network computed expert by expert from the router's own choice, in double. */
  @Override
  void verify() {
    run();
    for (int t : AttentionCheck.some(size.tokens())) {
      double[] input = new double[size.hidden()];
      for (int i = 0; i < input.length; i++) {
        input[i] = x.segment().getAtIndex(ValueLayout.JAVA_FLOAT, (long) t * size.hidden() + i);
      }
      double[] expected = MixtureOracle.row(mixture, input);
      double error = 0;
      double length = 0;
      for (int i = 0; i < expected.length; i++) {
        double actual =
            out.segment().getAtIndex(ValueLayout.JAVA_FLOAT, (long) t * size.hidden() + i);
        error += (actual - expected[i]) * (actual - expected[i]);
        length += expected[i] * expected[i];
      }
      double distance = Math.sqrt(error / length);
      double allowed = compute == ComputeType.BF16 ? BF16_DISTANCE : F32_DISTANCE;
      if (!(distance <= allowed)) {
        throw new BenchException(
            "the result of "
                + label()
                + " is wrong: row "
                + t
                + " is off by "
                + distance
                + " of its length, "
                + allowed
                + " is allowed");
      }
    }
  }

  @Override
  public void close() {
    arena.close();
  }
}

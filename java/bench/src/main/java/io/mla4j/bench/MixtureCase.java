package io.mla4j.bench;

import io.mla4j.BoundOperation;
import io.mla4j.ComputeType;
import io.mla4j.bench.LinearGrid.MixtureSize;
import io.mla4j.cpu.CpuDevice;
import io.mla4j.ops.FeedForward;
import io.mla4j.ops.Mixture;
import io.mla4j.ops.Routing;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/**
 * A mixture of experts as a decoder calls it: router, the networks of the chosen experts, their
 * weighted sum.
 */
final class MixtureCase extends CpuCase {
  /** Small inputs: weights of deviation 1 make them large enough. */
  private static final double DEVIATION = 1e-3;

  /** Of a row's length: float32 sums over the inner width, in another order. */
  private static final double F32_DISTANCE = 1e-5;

  /** Inputs of both products are rounded to bf16. */
  private static final double BF16_DISTANCE = 1e-2;

  /** Inputs of both products are rounded to 8 bits. */
  private static final double INT8_DISTANCE = 3e-2;

  private final MixtureSize size;
  private final ComputeType compute;
  private final StorageFormat type;
  private final DataPool pool;
  private final Arena arena = Arena.ofShared();
  private final Routing routing;
  private final PoolWeights weights;
  private final Tensor router;
  private final Tensor x;
  final Tensor out;

  /** The same experts with other weights, each made when its turn comes first. */
  private final Mixture[] pieces;

  private final BoundOperation[] bound;

  private int piece;

  MixtureCase(
      CpuDevice device,
      MixtureSize size,
      ComputeType compute,
      StorageFormat type,
      AttentionGrid.Residency residency,
      DataPool pool) {
    super(axes(device, size, compute, type, residency), work(size, type), device);
    this.size = size;
    this.compute = compute;
    this.type = type;
    this.pool = pool;
    boolean cold = residency == AttentionGrid.Residency.COLD;
    pieces = new Mixture[cold ? pool.pieces(weightBytes(size, type)) : 1];
    bound = new BoundOperation[pieces.length];
    routing =
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
    weights = new PoolWeights(device, arena, pool, type);
    router = RandomNumbers.bf16(device, arena, 1, size.experts(), size.hidden());
    x = RandomNumbers.floats(device, arena, DEVIATION, size.tokens(), size.hidden());
    out = RandomNumbers.floats(device, arena, 0, size.tokens(), size.hidden());
  }

  /** The experts whose weights are this piece of the pool. */
  private Mixture mixture(int i) {
    if (pieces[i] == null) {
      long matrix = type.bytes((long) size.hidden() * size.inner());
      long begin = i * weightBytes(size, type);
      List<FeedForward.Weights> experts = new ArrayList<>();
      for (int e = 0; e < size.experts(); e++) {
        experts.add(
            new FeedForward.Weights(
                weights.at(begin + matrix * 3 * e, size.inner(), size.hidden()),
                weights.at(begin + matrix * (3 * e + 1), size.inner(), size.hidden()),
                weights.at(begin + matrix * (3 * e + 2), size.hidden(), size.inner())));
      }
      Mixture.Weights of = new Mixture.Weights(routing, Weight.of(router), null, experts, null);
      pieces[i] = new Mixture(x, of, compute, out);
      bound[i] = device.bind(pieces[i]);
    }
    return pieces[i];
  }

  static long weightBytes(MixtureSize size, StorageFormat type) {
    return type.bytes(3L * size.experts() * size.hidden() * size.inner());
  }

  static Work work(MixtureSize size, StorageFormat type) {
    long networks = 6L * size.tokens() * size.topK() * size.hidden() * size.inner();
    long router = 2L * size.tokens() * size.hidden() * size.experts();
    return new Work(networks + router, weightBytes(size, type), 0);
  }

  static Axes axes(
      CpuDevice device,
      MixtureSize size,
      ComputeType compute,
      StorageFormat type,
      AttentionGrid.Residency residency) {
    String experts =
        size.topK() + " of " + size.experts() + " experts " + size.hidden() + "x" + size.inner();
    return Axes.of("grouped")
        .on(device)
        .with(Axis.TOKENS, size.tokens())
        .with(Axis.COMPUTE, compute)
        .with(Axis.RESIDENCY, residency)
        .with(Axis.SHAPE, experts + " " + AttentionSpec.lower(type));
  }

  @Override
  void run() {
    if (pieces.length > 1) {
      piece = pool.nextPiece(weightBytes(size, type));
    }
    mixture(piece);
    bound[piece].run();
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
      double[] expected = MixtureOracle.row(mixture(piece).weights(), input);
      double error = 0;
      double length = 0;
      for (int i = 0; i < expected.length; i++) {
        double actual =
            out.segment().getAtIndex(ValueLayout.JAVA_FLOAT, (long) t * size.hidden() + i);
        error += (actual - expected[i]) * (actual - expected[i]);
        length += expected[i] * expected[i];
      }
      double distance = Math.sqrt(error / length);
      double allowed =
          switch (compute) {
            case F32 -> F32_DISTANCE;
            case BF16 -> BF16_DISTANCE;
            case INT8 -> INT8_DISTANCE;
          };
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

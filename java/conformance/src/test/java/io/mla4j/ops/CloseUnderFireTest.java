package io.mla4j.ops;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.AttentionForm;
import io.mla4j.Batch;
import io.mla4j.CacheType;
import io.mla4j.ClosedException;
import io.mla4j.ComputeType;
import io.mla4j.DecodePlan;
import io.mla4j.Device;
import io.mla4j.LatentCache;
import io.mla4j.LatentLayout;
import io.mla4j.MlaShape;
import io.mla4j.Sequence;
import io.mla4j.Step;
import io.mla4j.cpu.CpuDevice;
import io.mla4j.spi.Kernels;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Given attention that runs on a pool again and again, when another thread closes the pool or the
 * device, then the user gets a {@link ClosedException} and nothing crashes: memory is freed after
 * the operation, never under it.
 */
class CloseUnderFireTest {
  private static final MlaShape SHAPE = new MlaShape(16, 128, 32, 32, 32);
  private static final int CACHED = 300;
  private static final int ROUNDS = 6;

  static Stream<Kernels> kernels() {
    return AllKernels.ofSequences();
  }

  @ParameterizedTest
  @MethodSource("kernels")
  void closingThePool(Kernels kernels) throws InterruptedException {
    try (Device device = new CpuDevice("test", kernels, CpuDevice.ARENA_ALLOCATOR, 2)) {
      for (int round = 0; round < ROUNDS; round++) {
        LatentCache cache = cache(device);
        attendUntilClosed(device, cache, cache::close, round);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("kernels")
  void closingTheDevice(Kernels kernels) throws InterruptedException {
    for (int round = 0; round < ROUNDS; round++) {
      Device device = new CpuDevice("test", kernels, CpuDevice.ARENA_ALLOCATOR, 2);
      try (LatentCache cache = cache(device)) {
        attendUntilClosed(device, cache, device::close, round);
      }
    }
  }

  private static LatentCache cache(Device device) {
    return LatentCache.builder(device)
        .layout(LatentLayout.of(SHAPE, CacheType.BF16))
        .pageSize(64)
        .tokens(CACHED)
        .build();
  }

  private static void attendUntilClosed(Device device, LatentCache cache, Runnable close, int round)
      throws InterruptedException {
    SplittableRandom random = new SplittableRandom(round);
    Weight latentUp =
        Tensors.weight(
            random,
            StorageFormat.BF16,
            (long) SHAPE.heads() * (SHAPE.nope() + SHAPE.value()),
            SHAPE.latent());
    Tensor rows = Tensors.random(random, 0.3, CACHED, SHAPE.cached());
    Tensor q = Tensors.random(random, 1, CACHED, SHAPE.heads(), SHAPE.query());
    Tensor angles = Tensors.random(random, 1, CACHED, SHAPE.rope() / 2);
    Rotation rotation = new Rotation(angles, angles, RopeLayout.PAIRS);
    AttentionForm form = round % 2 == 0 ? AttentionForm.ABSORBED : AttentionForm.DECOMPRESSED;
    AtomicReference<Throwable> thrown = new AtomicReference<>();
    AtomicInteger operations = new AtomicInteger();
    CountDownLatch running = new CountDownLatch(3);
    Thread user =
        Thread.ofPlatform()
            .start(
                () -> {
                  Sequence sequence = cache.newSequence();
                  try (Step step = Batch.of(sequence).reserve(CACHED - 2)) {
                    DecodePlan plan = step.plan(SHAPE, form);
                    device.run(
                        new AppendLatent(
                            0,
                            rows.first(CACHED - 2),
                            null,
                            1e-6f,
                            new Rotation(
                                rotation.cosines().first(CACHED - 2),
                                rotation.sines().first(CACHED - 2),
                                RopeLayout.PAIRS)),
                        plan);
                    step.commit();
                  }
                  Tensor out = Tensors.nan(2, SHAPE.heads(), SHAPE.value());
                  Rotation two = new Rotation(angles.first(2), angles.first(2), RopeLayout.PAIRS);
                  try (Step step = Batch.of(sequence).reserve(2)) {
                    DecodePlan plan = step.plan(SHAPE, form);
                    while (true) {
                      device.run(new AppendLatent(0, rows.first(2), null, 1e-6f, two), plan);
                      device.run(
                          new Attend(
                              0,
                              plan.shape(),
                              q.first(2),
                              LatentUp.fused(latentUp),
                              AttentionScore.of(0.1f),
                              ComputeType.BF16,
                              out),
                          plan);
                      operations.incrementAndGet();
                      running.countDown();
                    }
                  } catch (Throwable e) {
                    thrown.set(e);
                    while (running.getCount() > 0) {
                      running.countDown();
                    }
                  }
                });
    running.await();
    Thread.sleep(0, round * 80_000);
    close.run();
    user.join();
    assertTrue(
        thrown.get() instanceof ClosedException,
        () -> "instead of a ClosedException: " + thrown.get());
    assertTrue(operations.get() >= 3, "attention ran " + operations + " times");
  }
}

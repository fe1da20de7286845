package io.mla4j.device;

import io.mla4j.BoundOperation;
import io.mla4j.DecodePlan;
import io.mla4j.ops.Operation;
import java.util.List;
import java.util.function.Supplier;

/**
 * Kernels one after the other. They may compute in kept memory: where that has moved, they are made
 * ready again.
 */
final class BoundSequence implements BoundOperation {
  private final Accelerator device;
  private final Supplier<List<Operation>> parts;
  private List<Launch> launches;
  private long moves = -1;

  /** {@code parts}: what to launch, with tensors of the kept memory as it is. */
  BoundSequence(Accelerator device, Supplier<List<Operation>> parts) {
    this.device = device;
    this.parts = parts;
    try (Accelerator.Turn _ = device.turn()) {
      bind();
    }
  }

  /** Until the kept memory stays where it is: one part may enlarge what another was given. */
  private void bind() {
    KeptMemory kept = device.kept();
    while (moves != kept.moves()) {
      long before = kept.moves();
      launches = parts.get().stream().map(device.kernels()::bind).toList();
      moves = before;
    }
  }

  @Override
  public void run(DecodePlan plan) {
    try (Accelerator.Turn _ = device.turn()) {
      launch();
    }
  }

  /** In the device's turn. */
  void launch() {
    bind();
    for (Launch launch : launches) {
      launch.launch();
    }
  }
}

package io.mla4j.bench;

import io.mla4j.cpu.CpuDevice;
import io.mla4j.cpu.Workers;

/** A case on a device of the processor. */
abstract class CpuCase extends Case {
  final CpuDevice device;

  CpuCase(Axes axes, Work work, CpuDevice device) {
    super(axes, work, new CpuLimits(device.workers()));
    this.device = device;
  }

  /** The threads that run it. */
  final Workers workers() {
    return device.workers();
  }
}

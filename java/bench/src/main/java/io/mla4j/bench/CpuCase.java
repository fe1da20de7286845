package io.mla4j.bench;

import io.mla4j.cpu.CpuDevice;
import io.mla4j.cpu.Workers;

/** A case on a device of the processor. */
abstract class CpuCase extends Case {
  final CpuDevice device;

  CpuCase(Axes axes, Work work, CpuDevice device) {
    super(axes, work);
    this.device = device;
  }

  @Override
  Workers workers() {
    return device.workers();
  }

  /** Somebody else's kernels are native too. */
  @Override
  double measurePeak(PeakMeter meter) {
    boolean isJava = axes.backend().equals("vector") || axes.backend().equals("scalar");
    if (isJava) {
      return meter.registers(PeakMeter.Rate.JAVA_FMA_F32, workers());
    }
    return axes.compute().equals("bf16")
        ? meter.best(workers())
        : meter.registers(PeakMeter.Rate.NATIVE_FMA_F32, workers());
  }
}

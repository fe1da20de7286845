package io.mla4j.bench;

import io.mla4j.cpu.Workers;

/** The limits of the processor on the threads of a row. */
record CpuLimits(Workers workers) implements Limits {
  private static final Energy ENERGY = Energy.ofProcessor();

  /** Somebody else's kernels are native too. */
  @Override
  public double peak(Axes row, PeakMeter meter) {
    boolean isJava =
        row.text(Axis.BACKEND).equals("vector") || row.text(Axis.BACKEND).equals("scalar");
    if (isJava) {
      return meter.registers(PeakMeter.Rate.JAVA_FMA_F32, workers);
    }
    return switch (row.text(Axis.COMPUTE)) {
      case "int8" -> meter.registers(PeakMeter.Rate.NATIVE_DOT_INT8, workers);
      case "bf16" -> meter.best(workers);
      default -> meter.registers(PeakMeter.Rate.NATIVE_FMA_F32, workers);
    };
  }

  @Override
  public double bandwidth(PeakMeter meter) {
    return meter.coldRead(workers);
  }

  @Override
  public boolean areBounds() {
    return true;
  }

  @Override
  public Energy energy() {
    return ENERGY;
  }
}

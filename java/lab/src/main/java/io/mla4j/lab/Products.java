package io.mla4j.lab;

import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.ops.Linear;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;

/**
 * Products in float32 on a device whose memory Java can read.
 *
 * @param device computes them
 * @param arena where results lie
 */
record Products(Device device, Arena arena) {
  /** Refuses a device with memory of its own. */
  Products {
    if (!device.hostAccessible()) {
      throw new LabException(
          "--backend is " + device.backend() + ", but conversions are computed on a CPU");
    }
  }

  /** Results lie in memory that the garbage collector frees. */
  Products(Device device) {
    this(device, Arena.ofAuto());
  }

  /** The same with results in another arena. */
  Products within(Arena other) {
    return new Products(device, other);
  }

  Tensor zeros(long... shape) {
    long elements = Arrays.stream(shape).reduce(1, Math::multiplyExact);
    MemorySegment memory = device.allocate(StorageFormat.F32.bytes(elements), arena);
    return Tensor.of(memory, StorageFormat.F32, shape);
  }

  /** A matrix of these rows. */
  Tensor tensor(float[][] rows) {
    Tensor out = zeros(rows.length, rows[0].length);
    for (int i = 0; i < rows.length; i++) {
      MemorySegment.copy(rows[i], 0, out.segmentFrom(i), ValueLayout.JAVA_FLOAT, 0, rows[i].length);
    }
    return out;
  }

  /** x W^T + bias, bias null for none. */
  Tensor linear(Tensor x, Weight weight, Tensor bias) {
    Tensor out = zeros(x.dim(0), weight.out());
    device.run(new Linear(x, List.of(new Linear.Projection(weight, bias, out)), ComputeType.F32));
    return out;
  }

  /** rows rows^T, row-major. */
  float[] gram(Tensor rows) {
    return linear(rows, Weight.of(rows), null).toArray();
  }
}

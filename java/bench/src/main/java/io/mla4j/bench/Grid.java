package io.mla4j.bench;

import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.cpu.CpuDevice;
import java.util.List;

/**
 * Which rows to measure: all combinations of what its lists hold. What a list names twice is
 * measured once.
 */
public abstract class Grid {
  /** By name. */
  public List<String> backends = List.of();

  /** Native instruction sets; empty for the one that is chosen. */
  public List<String> isas = List.of();

  /** Of an operation. */
  public List<Integer> threads = List.of(1);

  /** Empty for the faster one of each device. */
  public List<ComputeType> computes = List.of();

  /** The values of an axis in their order, each once. */
  static <T> List<T> each(List<T> values) {
    return values.stream().distinct().toList();
  }

  /** A device for each of these backends, instruction sets and thread counts. */
  List<CpuDevice> devices(Lab lab, List<String> ofThese) {
    return lab.devices(each(ofThese), each(isas), each(threads));
  }

  /** What to compute with on a device. */
  List<ComputeType> computes(Device device) {
    return computes.isEmpty() ? List.of(device.preferredComputeType()) : each(computes);
  }
}

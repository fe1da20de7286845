package io.mla4j.bench;

import io.mla4j.AttentionCosts;
import io.mla4j.BoundOperation;
import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.ops.Operation;
import io.mla4j.ops.Weight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** A device whose caches lie in the pool that all rows share, from its start on. */
record PoolDevice(Device device, DataPool pool) implements Device {
  @Override
  public String backend() {
    return device.backend();
  }

  @Override
  public String isa() {
    return device.isa();
  }

  @Override
  public int threads() {
    return device.threads();
  }

  @Override
  public ComputeType preferredComputeType() {
    return device.preferredComputeType();
  }

  @Override
  public AttentionCosts attentionCosts() {
    return device.attentionCosts();
  }

  @Override
  public boolean hostAccessible() {
    return device.hostAccessible();
  }

  @Override
  public MemorySegment allocate(long bytes, Arena arena) {
    return pool.slice(0, bytes);
  }

  @Override
  public void copy(
      MemorySegment from, long fromOffset, MemorySegment to, long toOffset, long bytes) {
    device.copy(from, fromOffset, to, toOffset, bytes);
  }

  @Override
  public List<Weight> place(List<Weight> weights, ComputeType compute, Arena arena) {
    return device.place(weights, compute, arena);
  }

  @Override
  public long placedBytes(Weight weight, ComputeType compute) {
    return device.placedBytes(weight, compute);
  }

  @Override
  public BoundOperation bind(Operation operation) {
    return device.bind(operation);
  }

  /** The device itself stays open. */
  @Override
  public void close() {}
}

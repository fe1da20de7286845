package io.mla4j.bench;

import io.mla4j.AttentionCosts;
import io.mla4j.BoundOperation;
import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.MappedWatch;
import io.mla4j.ops.Operation;
import io.mla4j.ops.Weight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** A device that hands everything to another one, which stays open when this is closed. */
interface ForwardingDevice extends Device {
  /** The other one. */
  Device device();

  @Override
  default String backend() {
    return device().backend();
  }

  @Override
  default String isa() {
    return device().isa();
  }

  @Override
  default int threads() {
    return device().threads();
  }

  @Override
  default ComputeType preferredComputeType() {
    return device().preferredComputeType();
  }

  @Override
  default ComputeType preferredComputeType(boolean quantised) {
    return device().preferredComputeType(quantised);
  }

  @Override
  default AttentionCosts attentionCosts() {
    return device().attentionCosts();
  }

  @Override
  default boolean hostAccessible() {
    return device().hostAccessible();
  }

  @Override
  default MemorySegment allocate(long bytes, Arena arena) {
    return device().allocate(bytes, arena);
  }

  @Override
  default void copy(
      MemorySegment from, long fromOffset, MemorySegment to, long toOffset, long bytes) {
    device().copy(from, fromOffset, to, toOffset, bytes);
  }

  @Override
  default List<Weight> place(List<Weight> weights, ComputeType compute, Arena arena) {
    return device().place(weights, compute, arena);
  }

  @Override
  default long placedBytes(Weight weight, ComputeType compute) {
    return device().placedBytes(weight, compute);
  }

  @Override
  default MappedWatch watch(MemorySegment mapped) {
    return device().watch(mapped);
  }

  @Override
  default BoundOperation bind(Operation operation) {
    return device().bind(operation);
  }

  @Override
  default void close() {}
}

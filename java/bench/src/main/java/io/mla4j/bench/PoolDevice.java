package io.mla4j.bench;

import io.mla4j.Device;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** A device whose caches lie in the pool that all rows share, from its start on. */
record PoolDevice(Device device, DataPool pool) implements ForwardingDevice {
  @Override
  public MemorySegment allocate(long bytes, Arena arena) {
    return pool.slice(0, bytes);
  }
}

package io.mla4j.ops;

import io.mla4j.InvalidArgumentException;
import java.lang.foreign.MemorySegment;

/** Integers: ids, page tables and what else is counted, never computed with as a weight. */
final class IntegerFormat extends StorageFormat {
  IntegerFormat(String name, int bytes) {
    super(name, -1, 1, bytes);
  }

  @Override
  public void widen(MemorySegment segment, long offset, float[] to, int at, int n) {
    throw new InvalidArgumentException("weights of type " + name() + " are unsupported");
  }
}

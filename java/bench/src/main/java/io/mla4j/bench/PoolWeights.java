package io.mla4j.bench;

import io.mla4j.Device;
import io.mla4j.ops.Scales;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
import java.lang.foreign.Arena;
import java.util.HashMap;
import java.util.Map;

/**
 * Weights of one type that are pieces of the pool. Those of fp8 have a scale for each block of 128
 * x 128, as DeepSeek-V3's; all of one shape share them, since they are a small part of what is
 * read.
 */
final class PoolWeights {
  private static final int BLOCK = 128;

  private final Device device;
  private final Arena arena;
  private final DataPool pool;
  private final StorageFormat type;
  private final Map<LinearGrid.Size, Scales> scales = new HashMap<>();

  PoolWeights(Device device, Arena arena, DataPool pool, StorageFormat type) {
    this.device = device;
    this.arena = arena;
    this.pool = pool;
    this.type = type;
  }

  /** {@code n} rows of {@code k} numbers from byte {@code offset} of the pool on. */
  Weight at(long offset, int n, int k) {
    Tensor tensor = Tensor.of(pool.slice(offset, type.bytes((long) n * k)), type, n, k);
    if (type != StorageFormat.F8_E4M3) {
      return Weight.of(tensor);
    }
    return new Weight(tensor, scales.computeIfAbsent(new LinearGrid.Size(k, n), this::scales));
  }

  private Scales scales(LinearGrid.Size size) {
    Tensor values =
        RandomNumbers.floats(
            device, arena, 1, Math.ceilDiv(size.n(), BLOCK), Math.ceilDiv(size.k(), BLOCK));
    return new Scales(values, BLOCK, BLOCK);
  }
}

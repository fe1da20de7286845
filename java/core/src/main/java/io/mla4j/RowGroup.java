package io.mla4j;

import io.mla4j.spi.CacheParams;
import java.lang.foreign.MemorySegment;

/** The rows of one kind that the tokens of a pool have: all pages of its layers. */
final class RowGroup {
  private final CacheParams params;
  private final MemorySegment[] bases;

  private RowGroup(CacheParams params, MemorySegment[] bases) {
    this.params = params;
    this.bases = bases;
  }

  /** A group whose layers lie one behind the other in {@code memory}. */
  static RowGroup of(CacheParams params, MemorySegment memory, int layers) {
    long layerBytes = params.pageStrideBytes() * params.pageCount();
    MemorySegment[] bases = new MemorySegment[layers];
    for (int i = 0; i < layers; i++) {
      bases[i] = memory.asSlice(i * layerBytes, layerBytes);
    }
    return new RowGroup(params, bases);
  }

  CacheParams params() {
    return params;
  }

  int layers() {
    return bases.length;
  }

  /** The pages of layer {@code layer}. */
  MemorySegment base(int layer) {
    return bases[layer];
  }

  /** Bytes of one page in all layers. */
  long pageBytes() {
    return params.pageStrideBytes() * bases.length;
  }

  /** Gives the memory of pages [from, to) of every layer back to the system. */
  void giveBack(Device device, int from, int to) {
    long stride = params.pageStrideBytes();
    for (MemorySegment base : bases) {
      device.giveBack(base.asSlice(from * stride, (to - from) * stride));
    }
  }

  /** Copies the first {@code rows} rows of a page, and their scales, in every layer. */
  void copyPage(Device device, int from, int to, int rows) {
    long stride = params.pageStrideBytes();
    long bytes = rows * params.layout().rowStrideBytes();
    long scales = params.scaleOffsetBytes();
    long scaleBytes = rows * params.layout().scaleBytes();
    for (MemorySegment base : bases) {
      device.copy(base, from * stride, base, to * stride, bytes);
      if (scaleBytes > 0) {
        device.copy(base, from * stride + scales, base, to * stride + scales, scaleBytes);
      }
    }
  }
}

package io.mla4j.cpu;

import io.mla4j.InvalidArgumentException;
import io.mla4j.ops.TensorType;
import io.mla4j.spi.CacheParams;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Reading and writing stored numbers: runs of elements widened to float32, float32 runs rounded
 * when written, rows of the cache.
 */
public final class Stored {
  private Stored() {}

  /** Copies n float32 numbers at element offset {@code from} of segment to {@code to[at ..]}. */
  public static void readFloats(MemorySegment segment, long from, float[] to, int at, int n) {
    MemorySegment.copy(segment, ValueLayout.JAVA_FLOAT_UNALIGNED, from * Float.BYTES, to, at, n);
  }

  /** Copies {@code from[at .. at + n)} to element offset {@code to} of segment. */
  public static void writeFloats(float[] from, int at, MemorySegment segment, long to, int n) {
    MemorySegment.copy(from, at, segment, ValueLayout.JAVA_FLOAT_UNALIGNED, to * Float.BYTES, n);
  }

  /** One float32 number. */
  public static float readFloat(MemorySegment segment, long index) {
    return segment.get(ValueLayout.JAVA_FLOAT_UNALIGNED, index * Float.BYTES);
  }

  /** Writes one float32 number. */
  public static void writeFloat(MemorySegment segment, long index, float value) {
    segment.set(ValueLayout.JAVA_FLOAT_UNALIGNED, index * Float.BYTES, value);
  }

  /** One int32 number. */
  public static int readInt(MemorySegment segment, long index) {
    return segment.get(ValueLayout.JAVA_INT_UNALIGNED, index * Integer.BYTES);
  }

  /** Writes one int32 number. */
  public static void writeInt(MemorySegment segment, long index, int value) {
    segment.set(ValueLayout.JAVA_INT_UNALIGNED, index * Integer.BYTES, value);
  }

  /** Widens n stored numbers that start {@code offset} bytes into segment. */
  public static void widen(
      TensorType type, MemorySegment segment, long offset, float[] to, int at, int n) {
    switch (type) {
      case F32 -> MemorySegment.copy(segment, ValueLayout.JAVA_FLOAT_UNALIGNED, offset, to, at, n);
      case BF16 -> {
        for (int i = 0; i < n; i++) {
          to[at + i] = Bf16.toFloat(segment.get(ValueLayout.JAVA_SHORT_UNALIGNED, offset + 2L * i));
        }
      }
      case F16 -> {
        for (int i = 0; i < n; i++) {
          to[at + i] =
              Float.float16ToFloat(segment.get(ValueLayout.JAVA_SHORT_UNALIGNED, offset + 2L * i));
        }
      }
      default -> throw new InvalidArgumentException("weights of type " + type + " are unsupported");
    }
  }

  /**
   * Rounds n float32 numbers to {@code type} (F32 or BF16) and writes them {@code offset} bytes
   * into segment.
   */
  static void narrow(
      float[] from, int at, TensorType type, MemorySegment segment, long offset, int n) {
    if (type == TensorType.F32) {
      MemorySegment.copy(from, at, segment, ValueLayout.JAVA_FLOAT_UNALIGNED, offset, n);
      return;
    }
    for (int i = 0; i < n; i++) {
      segment.set(ValueLayout.JAVA_SHORT_UNALIGNED, offset + 2L * i, Bf16.fromFloat(from[at + i]));
    }
  }

  /**
   * The byte offset of token {@code position}'s row in a layer.
   *
   * @throws InvalidArgumentException where its page id is outside of the pool
   */
  public static long rowOffset(CacheParams params, MemorySegment pageTable, int position) {
    int page = readInt(pageTable, position / params.pageSize());
    if (page < 0 || page >= params.pageCount()) {
      throw new InvalidArgumentException(
          "page_table["
              + position / params.pageSize()
              + "] is "
              + page
              + ", but the pool has pages 0.."
              + (params.pageCount() - 1));
    }
    return page * params.pageStrideBytes()
        + position % params.pageSize() * params.layout().rowStrideBytes();
  }

  /**
   * Widens the rows of tokens {@code [begin, end)}: {@code to[i * (latent + rope) ..]}, latent
   * first.
   */
  public static void widenRows(
      CacheParams params,
      MemorySegment cache,
      MemorySegment pageTable,
      int begin,
      int end,
      float[] to) {
    TensorType type = params.layout().type().tensorType();
    int latent = params.layout().latent();
    int rope = params.layout().rope();
    for (int s = begin, at = 0; s < end; s++, at += latent + rope) {
      long row = rowOffset(params, pageTable, s);
      widen(type, cache, row, to, at, latent);
      long key = row + (long) params.layout().ropeOffset() * type.bytes();
      widen(type, cache, key, to, at + latent, rope);
    }
  }
}

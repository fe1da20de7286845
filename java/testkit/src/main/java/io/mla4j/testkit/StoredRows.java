package io.mla4j.testkit;

import io.mla4j.CacheType;
import io.mla4j.LatentLayout;
import io.mla4j.ops.StorageFormat;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * Rows of a latent cache as its type stores them, written apart from the library's own conversions.
 * A row is dense here, latent and rotated key, or padded as it lies in the cache.
 */
public final class StoredRows {
  private static final int MAX_STORINGS = 16;

  private final LatentLayout layout;
  private final CacheType type;

  /** Rows of {@code layout}. */
  public StoredRows(LatentLayout layout) {
    this.layout = layout;
    type = layout.type();
  }

  /**
   * What is read of a dense row that was written: what is under scales stays when written again.
   */
  public void store(float[] rows, int at) {
    int latent = layout.latent();
    for (int i = 0; i < layout.rope(); i++) {
      int key = at + latent + i;
      rows[key] = Rounding.stored(type.ropeFormat(), rows[key]);
    }
    if (!type.hasScales()) {
      for (int i = at; i < at + latent; i++) {
        rows[i] = Rounding.stored(type.format(), rows[i]);
      }
      return;
    }
    for (int i = 0; i < MAX_STORINGS; i++) {
      float[] before = Arrays.copyOfRange(rows, at, at + latent);
      for (int begin = 0; begin < latent; begin += type.scaleColumns()) {
        int end = Math.min(latent, begin + type.scaleColumns());
        float scale = scale(rows, at + begin, at + end);
        for (int j = at + begin; j < at + end; j++) {
          rows[j] = (float) code(type.format(), rows[j], scale) * scale;
        }
      }
      if (Arrays.equals(before, Arrays.copyOfRange(rows, at, at + latent))) {
        return;
      }
    }
    throw new AssertionError("a row changes whenever it is stored");
  }

  /** Writes a dense row that {@link #store} has given; padding is zero. */
  void write(float[] rows, int at, MemorySegment cache, long offset, long scales) {
    cache.asSlice(offset, layout.rowStrideBytes()).fill((byte) 0);
    int latent = layout.latent();
    for (int i = 0; i < layout.rope(); i++) {
      long key = (offset + layout.ropeOffsetBytes()) / type.ropeFormat().blockBytes() + i;
      Rounding.write(type.ropeFormat(), cache, key, rows[at + latent + i]);
    }
    if (!type.hasScales()) {
      for (int i = 0; i < latent; i++) {
        long element = offset / type.format().blockBytes() + i;
        Rounding.write(type.format(), cache, element, rows[at + i]);
      }
      return;
    }
    for (int group = 0; group < layout.scales(); group++) {
      int begin = group * type.scaleColumns();
      int end = Math.min(latent, begin + type.scaleColumns());
      float scale = scale(rows, at + begin, at + end);
      Rounding.write(
          type.scaleFormat(), cache, scales / type.scaleFormat().blockBytes() + group, scale);
      for (int i = begin; i < end; i++) {
        writeCode(cache, offset, i, code(type.format(), rows[at + i], scale));
      }
    }
  }

  /** Element {@code i} of a padded row. */
  public float read(MemorySegment cache, long offset, long scales, int i) {
    int key = i - layout.ropeOffset();
    if (key >= 0) {
      long first = (offset + layout.ropeOffsetBytes()) / type.ropeFormat().blockBytes();
      return Rounding.read(type.ropeFormat(), cache, first + key);
    }
    if (!type.hasScales()) {
      return Rounding.read(type.format(), cache, offset / type.format().blockBytes() + i);
    }
    float code = (float) readCode(cache, offset, i);
    if (i >= layout.latent()) {
      return code;
    }
    long group = scales / type.scaleFormat().blockBytes() + i / type.scaleColumns();
    return code * Rounding.read(type.scaleFormat(), cache, group);
  }

  /**
   * What is read of elements {@code [begin, end)} that share a scale, where each may be wrong by
   * its error before it is written: {@code values} become the nearest, {@code allowed} what the
   * others are away from it.
   */
  void storeGroup(double[] values, double[] allowed, double[] error, int begin, int end) {
    double most = 0;
    double mostError = 0;
    for (int i = begin; i < end; i++) {
      most = Math.max(most, Math.abs(values[i]));
      mostError = Math.max(mostError, error[i]);
    }
    float scale = storedScale(most);
    float[] scales = {storedScale(most - mostError), scale, storedScale(most + mostError)};
    for (int i = begin; i < end; i++) {
      float stored = (float) code(type.format(), (float) values[i], scale) * scale;
      allowed[i] = 0;
      for (int j = 0; j < 9; j++) {
        float other = scales[j / 3];
        float value = (float) (values[i] + (j % 3 - 1) * error[i]);
        double away = Math.abs(code(type.format(), value, other) * other - stored);
        allowed[i] = Math.max(allowed[i], mostError == 0 ? 0 : away);
      }
      values[i] = stored;
    }
  }

  private float scale(float[] rows, int begin, int end) {
    float most = 0;
    for (int i = begin; i < end; i++) {
      most = Math.max(most, Math.abs(rows[i]));
    }
    return storedScale(most);
  }

  /** Division in double and one rounding more give what float32 division gives. */
  private float storedScale(double most) {
    return Rounding.stored(type.scaleFormat(), (float) ((float) most / largest(type.format())));
  }

  private static double largest(StorageFormat format) {
    return switch (format.name()) {
      case "I8" -> 127;
      default -> throw new IllegalArgumentException("format " + format);
    };
  }

  /** The nearest code of a value in float32, ties to even. */
  private static double code(StorageFormat format, float value, float scale) {
    if (scale == 0) {
      return 0;
    }
    double largest = largest(format);
    return Math.clamp(Math.rint((double) (value / scale)), -largest, largest);
  }

  private double readCode(MemorySegment cache, long offset, int i) {
    return cache.get(ValueLayout.JAVA_BYTE, offset + i);
  }

  private void writeCode(MemorySegment cache, long offset, int i, double code) {
    cache.set(ValueLayout.JAVA_BYTE, offset + i, (byte) code);
  }
}

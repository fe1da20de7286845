package io.mla4j.testkit;

import io.mla4j.CacheType;
import io.mla4j.LatentLayout;
import io.mla4j.ops.StorageFormat;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * Rows of a latent cache as its type stores them, written apart from the library's own conversions.
 * A row is dense here, latent and rotated key, or padded as it lies in the cache.
 */
public final class StoredRows {
  private static final int MAX_STORINGS = 16;
  private static final StorageFormat NL4 = StorageFormat.NL4;

  private static final int[] STEPS = {
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113
  };

  /** The numbers of E4M3 that are not negative, in the order of their bits. */
  private static final double[] SMALL_FLOATS =
      IntStream.range(0, 0x7f).mapToDouble(StoredRows::valueOfSmallFloat).toArray();

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
      return code - (type.format() == NL4 ? STEPS[nearestStep(0)] : 0);
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
    boolean negative = false;
    boolean uncertain = false;
    for (int i = begin; i < end; i++) {
      negative |= values[i] == -most;
      uncertain |= mostError > 0 && Math.abs(values[i]) >= most - 2 * mostError;
    }
    float scale = storedScale(most, negative);
    float low = storedScale(most - mostError, negative);
    float high = storedScale(most + mostError, negative);
    float[] scales = uncertain ? new float[] {scale, low, high, -low, -high} : new float[] {scale};
    for (int i = begin; i < end; i++) {
      float stored = (float) code(type.format(), (float) values[i], scale) * scale;
      allowed[i] = 0;
      for (float other : scales) {
        for (int sign = -1; sign <= 1; sign++) {
          float value = (float) (values[i] + sign * error[i]);
          double away = Math.abs(code(type.format(), value, other) * other - stored);
          boolean possible = Math.signum(other) == Math.signum(scale) || type.format() == NL4;
          allowed[i] = Math.max(allowed[i], mostError == 0 || !possible ? 0 : away);
        }
      }
      values[i] = stored;
    }
  }

  private float scale(float[] rows, int begin, int end) {
    float most = 0;
    for (int i = begin; i < end; i++) {
      most = Math.max(most, Math.abs(rows[i]));
    }
    boolean negative = false;
    for (int i = begin; i < end; i++) {
      negative |= rows[i] == -most;
    }
    return storedScale(most, negative);
  }

  /** Division in double and one rounding more give what float32 division gives. */
  private float storedScale(double most, boolean negative) {
    double scale =
        switch (type.format().name()) {
          case "I8" -> (float) most / 127.0;
          case "F8_E4M3" -> (float) most / 448.0;
          case "NL4" -> (float) most / (negative ? 127.0 : -127.0);
          default -> throw new IllegalArgumentException("format " + type.format());
        };
    return Rounding.stored(type.scaleFormat(), (float) scale);
  }

  /** The nearest code of a value in float32, ties to even, of steps to the lower one. */
  private static double code(StorageFormat format, float value, float scale) {
    if (scale == 0) {
      return 0;
    }
    double quotient = value / scale;
    return switch (format.name()) {
      case "I8" -> Math.clamp(Math.rint(quotient), -127.0, 127.0);
      case "NL4" -> STEPS[nearestStep(quotient)];
      default -> smallFloat(quotient);
    };
  }

  private static int nearestStep(double value) {
    int nearest = 0;
    for (int half = STEPS.length / 2; half > 0; half /= 2) {
      double middle = (STEPS[nearest + half - 1] + STEPS[nearest + half]) / 2.0;
      nearest += value > middle ? half : 0;
    }
    return nearest;
  }

  /** The nearest E4M3: four significant bits, from 2^-6 down a spacing of 2^-9, up to 448. */
  private static double smallFloat(double value) {
    double clamped = Math.clamp(value, -448.0, 448.0);
    double spacing = Math.scalb(1.0, Math.max(Math.getExponent(clamped), -6) - 3);
    return Math.rint(clamped / spacing) * spacing;
  }

  private static double valueOfSmallFloat(int bits) {
    int exponent = bits >> 3 & 15;
    int fraction = bits & 7;
    double magnitude =
        exponent == 0 ? fraction * 0x1p-9 : Math.scalb(8.0 + fraction, exponent - 10);
    return bits < 128 ? magnitude : -magnitude;
  }

  private double readCode(MemorySegment cache, long offset, int i) {
    return switch (type.format().name()) {
      case "I8" -> cache.get(ValueLayout.JAVA_BYTE, offset + i);
      case "NL4" -> STEPS[cache.get(ValueLayout.JAVA_BYTE, offset + i / 2) >> 4 * (i % 2) & 15];
      default -> valueOfSmallFloat(cache.get(ValueLayout.JAVA_BYTE, offset + i) & 0xff);
    };
  }

  private void writeCode(MemorySegment cache, long offset, int i, double code) {
    long at = type.format() == NL4 ? offset + i / 2 : offset + i;
    cache.set(
        ValueLayout.JAVA_BYTE,
        at,
        (byte)
            switch (type.format().name()) {
              case "I8" -> (int) code;
              case "NL4" ->
                  cache.get(ValueLayout.JAVA_BYTE, at) & 15 << 4 * (1 - i % 2)
                      | nearestStep(code) << 4 * (i % 2);
              default -> bitsOfSmallFloat(code);
            });
  }

  private static int bitsOfSmallFloat(double code) {
    int bits = Arrays.binarySearch(SMALL_FLOATS, code == 0 ? 0 : Math.abs(code));
    if (bits < 0) {
      throw new AssertionError(code + " is no E4M3");
    }
    return code < 0 ? bits + 128 : bits;
  }
}

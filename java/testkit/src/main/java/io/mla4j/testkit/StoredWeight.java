package io.mla4j.testkit;

import io.mla4j.ops.Scales;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Set;

/**
 * A random weight as it may be stored: in any format, with scales or without, and what its elements
 * are. Elements of the formats that are written one by one are normal numbers; those of others are
 * what random bytes stand for, by the format's own {@code widen}, which has tests of its own.
 */
final class StoredWeight {
  /** Written by {@link Rounding}: half of all weights, the only ones that devices keep. */
  private static final List<StorageFormat> PLAIN =
      List.of(StorageFormat.F32, StorageFormat.BF16, StorageFormat.F16);

  /** Whole numbers, which are stored under scales alone. */
  private static final Set<String> STEPS = Set.of("I8", "I4", "F4");

  /** Elements of random bytes are at most so many deviations large, under scales so large. */
  private static final double LARGEST_DEVIATIONS = 4;

  private static final float LARGEST_SCALED = 512;

  private static final double LARGEST_SCALE = 8;

  /** Blocks of random bytes that fit are rare: after so many, they are drawn from these. */
  private static final int DISTINCT_BLOCKS = 100;

  private final StorageFormat format;
  private final int rows;
  private final int columns;

  /** Rows of whole blocks, one after the other. */
  private final byte[] stored;

  /** Null where there are none. */
  private final ScalePlane scales;

  /** (rows, columns): elements times their scales. */
  final float[] values;

  private record ScalePlane(
      StorageFormat format, int blockRows, int blockColumns, int columns, byte[] stored) {}

  /** Of {@code elements}, what {@code stored} stands for, the rests of rows' last blocks too. */
  private StoredWeight(
      Kind kind, int rows, int columns, byte[] stored, float[] elements, ScalePlane scales) {
    this.format = kind.format;
    this.rows = rows;
    this.columns = columns;
    this.stored = stored;
    this.scales = scales;
    values = new float[rows * columns];
    int stride = (int) format.padded(columns);
    for (int i = 0; i < rows; i++) {
      System.arraycopy(elements, i * stride, values, i * columns, columns);
    }
    if (scales != null) {
      float[] plane = elements(scales.format, scales.stored);
      for (int i = 0; i < values.length; i++) {
        int row = i / columns / scales.blockRows;
        values[i] *= plane[row * scales.columns + i % columns / scales.blockColumns];
      }
    }
  }

  /** How a weight is stored, chosen before its size is. */
  record Kind(StorageFormat format, boolean scaled) {
    static Kind any(CaseRandom r) {
      boolean plain = r.oneIn(2);
      List<StorageFormat> formats = plain ? PLAIN : StorageFormat.weights();
      StorageFormat format = r.of(formats.toArray(StorageFormat[]::new));
      return new Kind(format, STEPS.contains(format.name()) || !plain && r.oneIn(2));
    }

    /** Whether a device keeps it as it is. */
    boolean ofDevices() {
      return PLAIN.contains(format) && !scaled;
    }

    @Override
    public String toString() {
      return format + (scaled ? " with scales" : "");
    }
  }

  /** A weight whose elements have about this deviation. */
  static StoredWeight random(CaseRandom r, Kind kind, int rows, int columns, double deviation) {
    byte[] stored = new byte[Math.toIntExact(rows * kind.format.bytes(columns))];
    if (PLAIN.contains(kind.format)) {
      fillNormals(r, kind.format, stored, rows * columns, deviation);
    } else {
      double largest = kind.scaled ? LARGEST_SCALED : LARGEST_DEVIATIONS * deviation;
      // blocks of sizes far apart would be a weight of a few large blocks
      boolean single = kind.format.blockElements() == 1 || STEPS.contains(kind.format.name());
      fillBlocks(r, kind.format, stored, single ? 0 : largest / 4, largest);
    }
    double size = LARGEST_DEVIATIONS * deviation / LARGEST_SCALE;
    float[] elements = elements(kind.format, stored);
    for (float element : elements) {
      size = Math.max(size, Math.abs(element));
    }
    double largest = LARGEST_DEVIATIONS * deviation / size;
    return new StoredWeight(
        kind,
        rows,
        columns,
        stored,
        elements,
        kind.scaled ? randomScales(r, rows, columns, largest) : null);
  }

  private static ScalePlane randomScales(CaseRandom r, int rows, int columns, double largest) {
    StorageFormat format = r.of(StorageFormat.scales().toArray(StorageFormat[]::new));
    int blockRows = r.of(1, 1, 3, 128, Math.max(1, rows));
    int blockColumns = r.of(32, 128, r.between(1, 70), Math.max(1, columns));
    int planeRows = Math.ceilDiv(rows, blockRows);
    int planeColumns = Math.ceilDiv(columns, blockColumns);
    byte[] stored = new byte[Math.toIntExact(format.bytes((long) planeRows * planeColumns))];
    fillBlocks(r, format, stored, largest / 4, largest);
    return new ScalePlane(format, blockRows, blockColumns, planeColumns, stored);
  }

  private static void fillNormals(
      CaseRandom r, StorageFormat format, byte[] stored, int count, double deviation) {
    MemorySegment bytes = MemorySegment.ofArray(stored);
    float[] normals = r.normals(count, deviation);
    for (int i = 0; i < count; i++) {
      Rounding.write(format, bytes, i, Rounding.stored(format, normals[i]));
    }
  }

  /** Random bytes, block by block, until the largest element of each is of a size in between. */
  private static void fillBlocks(
      CaseRandom r, StorageFormat format, byte[] stored, double smallest, double largest) {
    int size = format.blockBytes();
    float[] elements = new float[format.blockElements()];
    MemorySegment bytes = MemorySegment.ofArray(stored);
    for (int at = 0; at < stored.length; at += size) {
      if (at / size >= DISTINCT_BLOCKS) {
        System.arraycopy(stored, r.between(0, DISTINCT_BLOCKS - 1) * size, stored, at, size);
        continue;
      }
      boolean fits;
      do {
        for (int i = 0; i < size; i++) {
          stored[at + i] = (byte) r.between(0, 255);
        }
        format.widen(bytes, at, elements, 0, elements.length);
        double most = 0;
        for (float e : elements) {
          most = Math.max(most, Math.abs(e)); // NaN stays NaN, which does not fit
        }
        fits = most >= smallest && most <= largest;
      } while (!fits);
    }
  }

  private static float[] elements(StorageFormat format, byte[] stored) {
    float[] elements = new float[stored.length / format.blockBytes() * format.blockElements()];
    format.widen(MemorySegment.ofArray(stored), 0, elements, 0, elements.length);
    return elements;
  }

  /**
   * The same with NaN in rows {@code [begin, end)} of every {@code period}, where its format can
   * say so.
   */
  StoredWeight poisoned(int period, int begin, int end) {
    if (!PLAIN.contains(format)) {
      return this;
    }
    byte[] poisoned = stored.clone();
    MemorySegment bytes = MemorySegment.ofArray(poisoned);
    for (int i = 0; i < rows; i++) {
      for (int j = 0; i % period >= begin && i % period < end && j < columns; j++) {
        Rounding.write(format, bytes, (long) i * columns + j, Float.NaN);
      }
    }
    Kind kind = new Kind(format, scales != null);
    return new StoredWeight(kind, rows, columns, poisoned, elements(format, poisoned), scales);
  }

  /** Whether kernels multiply its integers with {@link io.mla4j.ComputeType#INT8}. */
  boolean isQuantised() {
    return format.coding() != null
        && (scales == null || scales.blockColumns % 32 == 0 || scales.blockColumns >= columns);
  }

  /** A copy in guarded memory, with gaps between its rows or without. */
  Placed place(GuardedMemory memory, CaseRandom random) {
    int gap = random.oneIn(2) ? 0 : random.between(1, 19);
    long stride = format.padded(columns) + (long) gap * format.blockElements();
    Tensor tensor = copy(memory, format, stored, rows, columns, stride);
    if (scales == null) {
      return new Placed(Weight.of(tensor), tensor, null);
    }
    int planeRows = Math.ceilDiv(rows, scales.blockRows);
    long planeStride = scales.columns + (random.oneIn(2) ? 0 : 3);
    Tensor plane =
        copy(memory, scales.format, scales.stored, planeRows, scales.columns, planeStride);
    Weight weight = new Weight(tensor, new Scales(plane, scales.blockRows, scales.blockColumns));
    return new Placed(weight, tensor, plane);
  }

  private static Tensor copy(
      GuardedMemory memory,
      StorageFormat format,
      byte[] stored,
      int rows,
      int columns,
      long stride) {
    long rowBytes = format.bytes(columns);
    long strideBytes = format.bytes(stride);
    long bytes = rows == 0 || columns == 0 ? 0 : (rows - 1) * strideBytes + rowBytes;
    MemorySegment segment = memory.allocate(bytes, Integer.lowestOneBit(format.blockBytes()));
    for (int i = 0; bytes > 0 && i < rows; i++) {
      MemorySegment.copy(
          stored,
          (int) (i * rowBytes),
          segment,
          ValueLayout.JAVA_BYTE,
          i * strideBytes,
          (int) rowBytes);
    }
    return Tensor.strided(segment, format, new long[] {rows, columns}, new long[] {stride, 1});
  }

  /** A weight that kernels read. */
  static final class Placed {
    final Weight weight;
    private final Tensor tensor;
    private final Tensor scales;
    private final byte[] before;
    private final byte[] scalesBefore;

    private Placed(Weight weight, Tensor tensor, Tensor scales) {
      this.weight = weight;
      this.tensor = tensor;
      this.scales = scales;
      before = bytes(tensor);
      scalesBefore = bytes(scales);
    }

    private static byte[] bytes(Tensor tensor) {
      return tensor == null ? null : tensor.segment().toArray(ValueLayout.JAVA_BYTE);
    }

    /** Nobody may have written. */
    void requireUnchanged(String name) {
      if (!isUnchanged(before, tensor) || !isUnchanged(scalesBefore, scales)) {
        throw new AssertionError("the input " + name + " was changed");
      }
    }

    private static boolean isUnchanged(byte[] before, Tensor tensor) {
      return tensor == null || MemorySegment.ofArray(before).mismatch(tensor.segment()) == -1;
    }
  }
}

package io.mla4j.ops;

import io.mla4j.Device;
import io.mla4j.InvalidArgumentException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Numbers in memory: a view, never an owner. The last dimension is contiguous.
 *
 * <p>Immutable; the numbers behind it belong to one thread at a time.
 */
public final class Tensor {
  private final MemorySegment segment;
  private final StorageFormat format;
  private final long[] shape;
  private final long[] strides;
  private @Nullable View lastView;

  /** Whose memory it is; null for memory of the host. */
  private @Nullable Device device;

  private Tensor(MemorySegment segment, StorageFormat format, long[] shape, long[] strides) {
    this.segment = segment;
    this.format = format;
    this.shape = shape;
    this.strides = strides;
  }

  /**
   * A contiguous tensor at the start of {@code segment}; rows that are no whole blocks of the
   * format are filled up to these.
   *
   * @throws InvalidArgumentException where a dimension is negative or the segment is too small for
   *     the shape
   */
  public static Tensor of(MemorySegment segment, StorageFormat format, long... shape) {
    long[] strides = new long[shape.length];
    long count = 1;
    for (int i = shape.length - 1; i >= 0; i--) {
      strides[i] = count;
      try {
        boolean rows = i == shape.length - 1 && i > 0;
        count = Math.multiplyExact(count, rows ? format.padded(shape[i]) : shape[i]);
      } catch (ArithmeticException e) {
        throw overflows(shape);
      }
    }
    return strided(segment, format, shape, strides);
  }

  /**
   * A contiguous tensor over a direct buffer, from its position on; the buffer's memory stays as
   * long as the tensor.
   *
   * @throws InvalidArgumentException where the buffer is not direct, its order is not the native
   *     one, so that what it was filled with would be read as other numbers, or it is too small
   */
  public static Tensor of(ByteBuffer buffer, StorageFormat format, long... shape) {
    if (!buffer.isDirect()) {
      throw new InvalidArgumentException("buffer is in the heap, but must be direct");
    }
    if (buffer.order() != ByteOrder.nativeOrder()) {
      throw new InvalidArgumentException(
          "buffer has the order "
              + buffer.order()
              + ", but must have the native one: buffer.order(ByteOrder.nativeOrder())");
    }
    return of(MemorySegment.ofBuffer(buffer), format, shape);
  }

  /**
   * A tensor whose element (i, j, ..) lies {@code i * strides[0] + j * strides[1] + ..} elements
   * after the start.
   *
   * @throws InvalidArgumentException where a dimension or stride is negative, the last stride is
   *     not 1, or an element lies outside of the segment
   */
  public static Tensor strided(
      MemorySegment segment, StorageFormat format, long[] shape, long[] strides) {
    if (shape.length == 0 || shape.length != strides.length) {
      throw new InvalidArgumentException(
          "shape "
              + Arrays.toString(shape)
              + " and strides "
              + Arrays.toString(strides)
              + " must have the same, positive number of dimensions");
    }
    long last = 0;
    boolean empty = false;
    try {
      for (int i = 0; i < shape.length; i++) {
        if (shape[i] < 0 || strides[i] < 0) {
          throw new InvalidArgumentException(
              "shape "
                  + Arrays.toString(shape)
                  + " or strides "
                  + Arrays.toString(strides)
                  + " has a negative entry");
        }
        empty |= shape[i] == 0;
        last = Math.addExact(last, Math.multiplyExact(Math.max(shape[i] - 1, 0), strides[i]));
      }
      last = format.bytes(Math.addExact(last, 1));
    } catch (ArithmeticException e) {
      throw overflows(shape);
    }
    requireWholeBlocks(format, shape, strides);
    if (!empty && strides[shape.length - 1] != 1) {
      throw new InvalidArgumentException(
          "the last stride is " + strides[shape.length - 1] + ", but must be 1");
    }
    if (!empty && segment.byteSize() < last) {
      throw new InvalidArgumentException(
          "shape "
              + Arrays.toString(shape)
              + " of "
              + format
              + " needs "
              + last
              + " bytes, but the segment has "
              + segment.byteSize());
    }
    return new Tensor(segment, format, shape.clone(), strides.clone());
  }

  private static void requireWholeBlocks(StorageFormat format, long[] shape, long[] strides) {
    int block = format.blockElements();
    boolean whole = true;
    for (int i = 0; i < shape.length - 1; i++) {
      whole &= strides[i] % block == 0;
    }
    if (!whole) {
      throw new InvalidArgumentException(
          "shape "
              + Arrays.toString(shape)
              + " of "
              + format
              + " has rows that are not apart by whole blocks of "
              + block
              + " elements");
    }
  }

  /**
   * Zeroed memory of {@code device}, freed when nothing refers to it any more.
   *
   * @throws io.mla4j.Mla4jException where there is not enough memory, naming the bytes
   */
  public static Tensor allocate(Device device, StorageFormat format, long... shape) {
    MemorySegment segment = device.allocate(bytes(format, shape), Arena.ofAuto());
    Tensor tensor = of(segment, format, shape);
    tensor.device = device;
    return tensor;
  }

  /** What {@link #of} needs: rows are filled up to whole blocks. */
  static long bytes(StorageFormat format, long... shape) {
    long[] padded = shape.clone();
    try {
      if (shape.length > 1) {
        padded[shape.length - 1] = format.padded(shape[shape.length - 1]);
      }
      return format.bytes(Arrays.stream(padded).reduce(1, Math::multiplyExact));
    } catch (ArithmeticException e) {
      throw overflows(shape);
    }
  }

  private static InvalidArgumentException overflows(long[] shape) {
    return new InvalidArgumentException("shape " + Arrays.toString(shape) + " overflows");
  }

  /**
   * Writes all elements in the order of their indices, rounded as the format says.
   *
   * @return this tensor
   * @throws InvalidArgumentException where there are more or fewer values than elements, the tensor
   *     has gaps, or its format cannot be written
   */
  public Tensor copyFrom(float... values) {
    requireElements(values.length);
    long bytes = format.bytes(values.length);
    Device device = beyondHost();
    MemorySegment host = device == null ? segment : Arena.ofAuto().allocate(bytes, 64);
    format.narrow(values, 0, values.length, host, 0);
    if (device != null) {
      device.copy(host, 0, segment, 0, bytes);
    }
    return this;
  }

  /**
   * The same for I32.
   *
   * @throws InvalidArgumentException as above
   */
  public Tensor copyFrom(int... values) {
    requireElements(values.length);
    if (format != StorageFormat.I32) {
      throw new InvalidArgumentException("int elements cannot be stored as " + format);
    }
    MemorySegment host = MemorySegment.ofArray(values);
    Device device = beyondHost();
    if (device == null) {
      MemorySegment.copy(host, 0, segment, 0, host.byteSize());
    } else {
      device.copy(host, 0, segment, 0, host.byteSize());
    }
    return this;
  }

  /**
   * All elements as float32, in the order of their indices.
   *
   * @throws InvalidArgumentException where the tensor has gaps, more elements than an array, or a
   *     format without real numbers
   */
  public float[] toArray() {
    long elements = elements(shape);
    if (elements > Integer.MAX_VALUE - 8) {
      throw new InvalidArgumentException(this + " has more elements than an array");
    }
    requireElements((int) elements);
    long bytes = format.bytes(elements);
    Device device = beyondHost();
    MemorySegment host = device == null ? segment : Arena.ofAuto().allocate(bytes, 64);
    if (device != null) {
      device.copy(segment, 0, host, 0, bytes);
    }
    float[] values = new float[(int) elements];
    format.widen(host, 0, values, 0, values.length);
    return values;
  }

  /** Whose memory it is, where the host cannot reach it. */
  private @Nullable Device beyondHost() {
    return device == null || device.hostAccessible() ? null : device;
  }

  private void requireElements(int count) {
    long elements = requireContiguous();
    if (elements != count) {
      throw new InvalidArgumentException(
          this + " has " + elements + " elements, but " + count + " are given");
    }
  }

  private static long elements(long[] shape) {
    try {
      return Arrays.stream(shape).reduce(1, Math::multiplyExact);
    } catch (ArithmeticException e) {
      throw overflows(shape);
    }
  }

  /** The memory, starting at element 0. */
  public MemorySegment segment() {
    return segment;
  }

  /**
   * The memory from entry {@code row} of dimension 0 on. Asking for the same row again gives the
   * same object, as a rule: loops make no garbage.
   */
  public MemorySegment segmentFrom(long row) {
    if (row == 0) {
      return segment;
    }
    View view = lastView; // threads race here; a view that is lost is made again
    if (view == null || view.row != row) {
      view = new View(row, segment.asSlice(format.bytes(Math.multiplyExact(row, strides[0]))));
      lastView = view;
    }
    return view.segment;
  }

  private record View(long row, MemorySegment segment) {}

  /** How the elements are stored. */
  public StorageFormat format() {
    return format;
  }

  /** The number of dimensions. */
  public int rank() {
    return shape.length;
  }

  /** The size of dimension {@code i}. */
  public long dim(int i) {
    return shape[i];
  }

  /** The elements between neighbours along dimension {@code i}. */
  public long stride(int i) {
    return strides[i];
  }

  /** The first {@code count} entries along dimension 0. */
  public Tensor first(long count) {
    return slice(0, count);
  }

  /** Entries {@code from .. from + count} along dimension 0. */
  public Tensor slice(long from, long count) {
    if (from < 0 || count < 0 || from > shape[0] - count) {
      throw new InvalidArgumentException(
          "rows " + from + ".." + (from + count) + " of a tensor with " + shape[0] + " rows");
    }
    return along(0, from, count);
  }

  /**
   * Entries {@code from .. from + count} along dimension {@code i}; along the last one {@code from}
   * is a multiple of the format's block.
   *
   * @throws InvalidArgumentException where there are no such entries, or {@code from} lies within a
   *     block
   */
  public Tensor along(int i, long from, long count) {
    if (from < 0 || count < 0 || from > shape[i] - count) {
      throw new InvalidArgumentException(
          "entries " + from + ".." + (from + count) + " of dimension " + i + " of " + this);
    }
    if (i == shape.length - 1 && from % format.blockElements() != 0) {
      throw new InvalidArgumentException(
          "entries from "
              + from
              + " of "
              + this
              + " do not begin a block of "
              + format.blockElements()
              + " elements");
    }
    long[] newShape = shape.clone();
    newShape[i] = count;
    boolean empty = Arrays.stream(newShape).anyMatch(length -> length == 0);
    MemorySegment rest =
        empty ? segment.asSlice(0, 0) : segment.asSlice(format.bytes(from * strides[i]));
    return derived(new Tensor(rest, format, newShape, strides));
  }

  /** This tensor without dimension {@code i}, of whose entries there is one. */
  public Tensor without(int i) {
    if (shape[i] != 1 || shape.length == 1) {
      throw new InvalidArgumentException(this + " cannot do without dimension " + i);
    }
    long[] newShape = new long[shape.length - 1];
    long[] newStrides = new long[shape.length - 1];
    for (int from = 0, to = 0; from < shape.length; from++) {
      if (from != i) {
        newShape[to] = shape[from];
        newStrides[to++] = strides[from];
      }
    }
    return derived(new Tensor(segment, format, newShape, newStrides));
  }

  /**
   * The same numbers under another contiguous shape; this tensor must be contiguous.
   *
   * @throws InvalidArgumentException where it is not, the shape has another number of elements, or
   *     its rows are no whole blocks of the format
   */
  public Tensor reshape(long... newShape) {
    long expected = requireContiguous();
    long count = elements(newShape);
    if (count != expected) {
      throw new InvalidArgumentException(
          "shape "
              + Arrays.toString(newShape)
              + " has "
              + count
              + " elements, but "
              + this
              + " has "
              + expected);
    }
    Tensor view = of(segment, format, newShape);
    view.requireContiguous();
    return derived(view);
  }

  /** The number of elements, which must lie one behind the other. */
  private long requireContiguous() {
    long expected = 1;
    for (int i = shape.length - 1; i >= 0; i--) {
      if (shape[i] > 1 && strides[i] != expected) {
        throw new InvalidArgumentException(this + " has gaps, but must be contiguous");
      }
      expected *= shape[i];
    }
    return expected;
  }

  private Tensor derived(Tensor view) {
    view.device = device;
    return view;
  }

  @Override
  public String toString() {
    return format + Arrays.toString(shape);
  }
}

package io.mla4j.ops;

import io.mla4j.InvalidArgumentException;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Numbers in memory: a view, never an owner. The last dimension is contiguous.
 *
 * <p>Immutable; the numbers behind it belong to one thread at a time.
 */
public final class Tensor {
  private final MemorySegment segment;
  private final TensorType type;
  private final long[] shape;
  private final long[] strides;
  private View lastView;

  private Tensor(MemorySegment segment, TensorType type, long[] shape, long[] strides) {
    this.segment = segment;
    this.type = type;
    this.shape = shape;
    this.strides = strides;
  }

  /**
   * A contiguous tensor at the start of {@code segment}.
   *
   * @throws InvalidArgumentException where a dimension is negative or the segment is too small for
   *     the shape
   */
  public static Tensor of(MemorySegment segment, TensorType type, long... shape) {
    long[] strides = new long[shape.length];
    long count = 1;
    for (int i = shape.length - 1; i >= 0; i--) {
      strides[i] = count;
      try {
        count = Math.multiplyExact(count, shape[i]);
      } catch (ArithmeticException e) {
        throw new InvalidArgumentException("shape " + Arrays.toString(shape) + " overflows");
      }
    }
    return strided(segment, type, shape, strides);
  }

  /**
   * A tensor whose element (i, j, ..) lies {@code i * strides[0] + j * strides[1] + ..} elements
   * behind the start.
   *
   * @throws InvalidArgumentException where a dimension or stride is negative, the last stride is
   *     not 1, or an element lies outside of the segment
   */
  public static Tensor strided(
      MemorySegment segment, TensorType type, long[] shape, long[] strides) {
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
      last = Math.multiplyExact(Math.addExact(last, 1), type.bytes());
    } catch (ArithmeticException e) {
      throw new InvalidArgumentException("shape " + Arrays.toString(shape) + " overflows");
    }
    if (!empty && strides[shape.length - 1] != 1) {
      throw new InvalidArgumentException(
          "the last stride is " + strides[shape.length - 1] + ", but must be 1");
    }
    if (!empty && segment.byteSize() < last) {
      throw new InvalidArgumentException(
          "shape "
              + Arrays.toString(shape)
              + " of "
              + type
              + " needs "
              + last
              + " bytes, but the segment has "
              + segment.byteSize());
    }
    return new Tensor(segment, type, shape.clone(), strides.clone());
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
      view = new View(row, segment.asSlice(Math.multiplyExact(row, strides[0]) * type.bytes()));
      lastView = view;
    }
    return view.segment;
  }

  private record View(long row, MemorySegment segment) {}

  /** The type of the numbers. */
  public TensorType type() {
    return type;
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
    long[] newShape = shape.clone();
    newShape[0] = count;
    MemorySegment rest =
        count == 0 ? segment.asSlice(0, 0) : segment.asSlice(from * strides[0] * type.bytes());
    return new Tensor(rest, type, newShape, strides);
  }

  /** The same numbers under another contiguous shape; this tensor must be contiguous. */
  public Tensor reshape(long... newShape) {
    long expected = 1;
    for (int i = shape.length - 1; i >= 0; i--) {
      if (shape[i] > 1 && strides[i] != expected) {
        throw new InvalidArgumentException("a tensor with gaps cannot be reshaped: " + this);
      }
      expected *= shape[i];
    }
    long count = Arrays.stream(newShape).reduce(1, Math::multiplyExact);
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
    return of(segment, type, newShape);
  }

  @Override
  public String toString() {
    return type + Arrays.toString(shape);
  }
}

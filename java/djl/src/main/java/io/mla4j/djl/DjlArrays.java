package io.mla4j.djl;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.NDScope;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.mla4j.InvalidArgumentException;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import java.lang.ref.WeakReference;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Map;

/**
 * One memory as an {@link NDArray} of DJL's PyTorch engine on the CPU and as a {@link Tensor}: what
 * one side writes the other reads.
 *
 * <p>float32, float16, int32, int64 and uint8 are F32, F16, I32, I64 and U8. DJL knows the name
 * bfloat16, but its PyTorch engine (0.36.0) has no such arrays: it ends the process where one is
 * made. Up to 2 GiB, since DJL hands memory out as a ByteBuffer.
 *
 * <p>Any thread may call this; who writes and who reads is between the two sides.
 */
public final class DjlArrays {
  private static final Map<DataType, StorageFormat> FORMATS =
      Map.of(
          DataType.FLOAT32, StorageFormat.F32,
          DataType.FLOAT16, StorageFormat.F16,
          DataType.INT32, StorageFormat.I32,
          DataType.INT64, StorageFormat.I64,
          DataType.UINT8, StorageFormat.U8);

  private DjlArrays() {}

  /**
   * A tensor over the memory of an array, until {@code arena} is closed.
   *
   * <p>The tensor holds the memory as a view in torch does: closing the array or its manager does
   * not free it, closing the arena does where nobody else holds it. After that every use of the
   * tensor throws IllegalStateException. Two things are as in DJL itself: {@link
   * NDArray#set(java.nio.Buffer)} gives the array other memory, which the tensor does not follow,
   * and a view of an array that was made from Java's numbers needs that array to stay open.
   *
   * @param array contiguous and dense; a slice of leading rows is, a transposed one is not
   * @param arena a shared or an automatic one: the threads of a device do not see a confined one
   * @throws InvalidArgumentException where the array is of another engine, of a device, of a type
   *     without a storage format, empty, a scalar, larger than 2 GiB or not contiguous
   * @throws IllegalStateException where the array or the arena is closed
   */
  public static Tensor tensor(NDArray array, Arena arena) {
    requireNonNull("array", array);
    requireNonNull("arena", arena);
    if (!array.getManager().getEngine().getEngineName().equals("PyTorch")) {
      throw new InvalidArgumentException(
          "array is of the engine "
              + array.getManager().getEngine().getEngineName()
              + ", but must be of PyTorch");
    }
    if (!array.getDevice().equals(Device.cpu())) {
      throw new InvalidArgumentException(describe(array) + " must be in the memory of the CPU");
    }
    StorageFormat format = FORMATS.get(array.getDataType());
    if (format == null) {
      throw new InvalidArgumentException(
          describe(array) + ": its type must be one of " + FORMATS.keySet());
    }
    long[] shape = array.getShape().getShape();
    if (shape.length == 0 || array.getShape().size() == 0) {
      throw new InvalidArgumentException(describe(array) + " must have elements in a dimension");
    }
    requireBytes("array", array.getShape().size() * array.getDataType().getNumOfBytes());
    Held held = Held.of(array);
    try {
      MemorySegment memory =
          MemorySegment.ofAddress(held.memory().address())
              .reinterpret(held.memory().byteSize(), arena, gone -> held.close());
      return Tensor.of(memory, format, shape);
    } catch (IllegalStateException | WrongThreadException e) { // the arena cannot take it
      held.close();
      throw e;
    }
  }

  /**
   * An array over the memory of a tensor.
   *
   * <p>It holds memory of an automatic arena itself. Closing another arena closes the array first,
   * so that DJL refuses later use; views that torch made of the array are not known and must not be
   * used after that, as with every array that DJL makes over a Java buffer.
   *
   * @param tensor contiguous, in memory of the host outside of the heap
   * @param arena the one that the tensor's memory belongs to
   * @throws InvalidArgumentException where the manager is of another engine, or the tensor has
   *     gaps, a format without a type of DJL, more than 2 GiB, or memory that torch cannot read
   */
  public static NDArray array(NDManager manager, Tensor tensor, Arena arena) {
    requireNonNull("manager", manager);
    requireNonNull("tensor", tensor);
    requireNonNull("arena", arena);
    if (!manager.getEngine().getEngineName().equals("PyTorch")) {
      throw new InvalidArgumentException(
          "manager is of the engine "
              + manager.getEngine().getEngineName()
              + ", but must be of PyTorch");
    }
    DataType type =
        FORMATS.entrySet().stream()
            .filter(entry -> entry.getValue() == tensor.format())
            .map(Map.Entry::getKey)
            .findFirst()
            .orElseThrow(
                () ->
                    new InvalidArgumentException(
                        "tensor is " + tensor + ": DJL has no type for " + tensor.format()));
    MemorySegment memory = Memory.of("tensor", tensor);
    requireBytes("tensor", memory.byteSize());
    long[] shape = new long[tensor.rank()];
    Arrays.setAll(shape, tensor::dim);
    ByteBuffer buffer = memory.asByteBuffer().order(ByteOrder.nativeOrder());
    NDArray array = manager.create(buffer, new Shape(shape), type);
    // The array refers to the arena through its buffer: a strong way back would keep both for ever.
    WeakReference<NDArray> weak = new WeakReference<>(array);
    MemorySegment.NULL.reinterpret(0, arena, gone -> closeIfThere(weak));
    return array;
  }

  private static void closeIfThere(WeakReference<NDArray> weak) {
    NDArray array = weak.get();
    if (array != null) {
      array.close();
    }
  }

  static void requireNonNull(String name, Object argument) {
    if (argument == null) {
      throw new InvalidArgumentException(name + " is null");
    }
  }

  private static void requireBytes(String name, long bytes) {
    if (bytes > Integer.MAX_VALUE) {
      throw new InvalidArgumentException(
          name + " has " + bytes + " bytes, but DJL shares up to " + Integer.MAX_VALUE);
    }
  }

  private static String describe(NDArray array) {
    return "array " + array.getShape() + " " + array.getDataType() + " of " + array.getDevice();
  }

  /** What keeps the memory of an array: a view of torch's, and the Java buffer behind it if any. */
  private record Held(NDManager manager, NDArray view, Object buffer, MemorySegment memory) {
    /** The array's own fields, since a view of torch's does not hold what Java allocated. */
    static Held of(NDArray array) {
      Object buffer = JavaBuffer.of(array);
      NDManager own = NDManager.newBaseManager(Device.cpu(), "PyTorch");
      try {
        NDArray view = array.reshape(array.getShape());
        NDScope.unregister(view);
        view.attach(own);
        // Of an array that is not contiguous each call gives another copy, which own frees.
        MemorySegment memory = MemorySegment.ofBuffer(view.toByteBuffer(true));
        MemorySegment again = MemorySegment.ofBuffer(view.toByteBuffer(true));
        if (memory.address() != again.address()) {
          throw new InvalidArgumentException(
              describe(array)
                  + " is not contiguous: copy it with"
                  + " manager.create(array.toByteBuffer(), array.getShape(), array.getDataType())");
        }
        return new Held(own, view, buffer, memory);
      } catch (RuntimeException e) {
        own.close();
        throw e;
      }
    }

    void close() {
      manager.close();
      Reference.reachabilityFence(buffer);
    }
  }
}

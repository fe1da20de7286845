package io.mla4j.device;

import io.mla4j.BoundOperation;
import io.mla4j.ClosedException;
import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.InvalidArgumentException;
import io.mla4j.Mla4jException;
import io.mla4j.ops.Operation;
import io.mla4j.ops.Weight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;

/**
 * A device with memory of its own, one stream, and operations on it. A call returns when its work
 * is launched; only copies to the host wait. So a failure of a kernel may be reported by a later
 * call.
 *
 * <p>Tensors and weights of operations must lie in its memory ({@link #allocate}, {@link #place}).
 * An operation holds a lease on its pool while it launches; memory that is freed afterwards is
 * freed when the device is done with it.
 */
public final class Accelerator implements Device {
  private final DeviceDriver driver;
  private final DeviceMemory memory;
  private final DeviceStream stream;
  private final DeviceKernels kernels;
  private final Staging staging;
  private final KeptMemory kept;
  private final KeptMemory.Buffer workspace;
  private final DeviceOperations operations;
  private final WeightPlacement placement;

  /** One operation at a time. */
  private final ReentrantLock lock = new ReentrantLock();

  private final Turn turn = lock::unlock;
  private boolean closed;

  /** Opens the device of a driver. */
  public Accelerator(DeviceDriver driver) {
    this.driver = driver;
    memory = new DeviceMemory(driver);
    stream = driver.newStream();
    try {
      staging = new Staging(driver, memory, stream);
    } catch (RuntimeException | Error e) {
      stream.close();
      throw e;
    }
    kernels = driver.kernels(stream, new Kernels());
    kept = new KeptMemory(memory);
    operations = new DeviceOperations(this, memory);
    placement = new WeightPlacement(this);
    workspace = operations.workspace();
  }

  /** What kernels see of this. */
  private final class Kernels implements KernelMemory {
    @Override
    public MemorySegment resolve(String name, MemorySegment segment) {
      return memory.resolve(name, segment);
    }

    @Override
    public MemorySegment workspace(long bytes) {
      return memory.resolve("workspace", workspace.bytes(bytes));
    }
  }

  /** The time in which one thread uses the device: its end. */
  @FunctionalInterface
  interface Turn extends AutoCloseable {
    @Override
    void close();
  }

  /**
   * Waits for the caller's turn.
   *
   * @throws ClosedException where the device is closed
   */
  Turn turn() {
    lock.lock();
    if (closed) {
      lock.unlock();
      throw new ClosedException("the " + backend() + " device is closed");
    }
    return turn;
  }

  @Override
  public String backend() {
    return driver.backend();
  }

  @Override
  public String isa() {
    return driver.isa();
  }

  /** The device's name as its driver tells it. */
  public String name() {
    return driver.name();
  }

  /** One: the host's thread that launches. */
  @Override
  public int threads() {
    return 1;
  }

  @Override
  public ComputeType preferredComputeType() {
    return ComputeType.BF16;
  }

  @Override
  public boolean hostAccessible() {
    return false;
  }

  @Override
  public MemorySegment allocate(long bytes, Arena arena) {
    MemorySegment segment = allocateRaw(bytes, arena);
    if (bytes > 0) {
      try (Turn _ = turn()) {
        stream.zero(resolve("memory", segment), bytes);
      }
    }
    return segment;
  }

  /** Memory with unspecified content. */
  MemorySegment allocateRaw(long bytes, Arena arena) {
    try (Turn _ = turn()) {
      return memory.allocate(bytes, arena);
    }
  }

  @Override
  public long freeMemory() {
    return driver.freeMemory();
  }

  @Override
  public void copy(
      MemorySegment from, long fromOffset, MemorySegment to, long toOffset, long bytes) {
    if (bytes == 0) {
      return;
    }
    MemorySegment source = from.asSlice(fromOffset, bytes);
    MemorySegment target = to.asSlice(toOffset, bytes);
    boolean fromDevice = memory.owns(source);
    boolean toDevice = memory.owns(target);
    requireHost("from", source, fromDevice);
    requireHost("to", target, toDevice);
    if (!fromDevice && !toDevice) {
      target.copyFrom(source);
      return;
    }
    try (Turn _ = turn()) {
      if (!toDevice) {
        staging.download(resolve("from", source), target);
      } else if (fromDevice) {
        stream.copy(resolve("to", target), resolve("from", source), bytes);
      } else {
        upload(source, resolve("to", target));
      }
    }
  }

  /** What is neither memory of this device nor the host's was freed, or is another device's. */
  private void requireHost(String name, MemorySegment segment, boolean onDevice) {
    if (!onDevice && !segment.isAccessibleBy(Thread.currentThread())) {
      resolve(name, segment);
    }
  }

  @Override
  public List<Weight> place(List<Weight> weights, ComputeType compute, Arena arena) {
    return placement.place(weights, compute, arena);
  }

  @Override
  public long placedBytes(Weight weight, ComputeType compute) {
    return placement.placedBytes(weight, compute);
  }

  @Override
  public BoundOperation bind(Operation operation) {
    if (operation == null) {
      throw new InvalidArgumentException("operation is null");
    }
    return operations.bind(operation);
  }

  @Override
  public boolean choosesTokens() {
    return kernels.chooseTokens();
  }

  /** Waits until everything that was launched has run. */
  public void synchronize() {
    try (Turn _ = turn()) {
      stream.synchronize();
    }
  }

  DeviceKernels kernels() {
    return kernels;
  }

  /** What operations compute in. */
  KeptMemory kept() {
    return kept;
  }

  /** What a call is given for memory of the device. */
  MemorySegment resolve(String name, MemorySegment segment) {
    return memory.resolve(name, segment);
  }

  /** From the host to memory of the device as a call is given it, in the device's turn. */
  void upload(MemorySegment from, MemorySegment to) {
    staging.upload(from, to);
  }

  @Override
  public void close() {
    lock.lock();
    try {
      if (closed) {
        return;
      }
      closed = true;
      Mla4jException failure = null;
      for (AutoCloseable part : List.of(stream, staging, operations, kept)) {
        try {
          part.close();
        } catch (Mla4jException e) {
          failure = failure == null ? e : failure;
        } catch (Exception e) {
          throw new AssertionError("nothing else is thrown", e);
        }
      }
      if (failure != null) {
        throw failure;
      }
    } finally {
      lock.unlock();
    }
  }
}

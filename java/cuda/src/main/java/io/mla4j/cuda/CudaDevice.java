package io.mla4j.cuda;

import io.mla4j.ClosedException;
import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.DeviceException;
import io.mla4j.InvalidArgumentException;
import io.mla4j.InvalidStateException;
import io.mla4j.Mla4jException;
import io.mla4j.ops.Ops;
import io.mla4j.ops.Sampling;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Weight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;

/**
 * A GPU: memory of its own, one stream, and the operations on it. A call returns when its work is
 * launched; only copies to the host wait. So a failure of a kernel may be reported by a later call.
 */
public final class CudaDevice implements Device {
  /** Weights are converted in pieces. */
  private static final long PIECE = 16 << 20;

  private static final long ALIGNMENT = 64;

  private final CudaKernels kernels;
  private final int device;
  private final CudaKernels.Info info;
  private final CudaMemory memory;
  private final CudaStream stream;
  private final CudaOps ops;

  /** One operation at a time. */
  private final ReentrantLock turn = new ReentrantLock();

  private CudaStaging staging;

  private boolean capturing;

  /** How often memory went that the operations kept, to which graphs have addresses. */
  private long moves;

  CudaDevice(CudaKernels kernels, int device) {
    this.kernels = kernels;
    this.device = device;
    this.info = kernels.info(device);
    this.memory = new CudaMemory(kernels, device);
    this.stream = new CudaStream(kernels, device);
    try {
      this.staging = new CudaStaging(kernels, memory, device, stream);
      this.ops = new CudaOps(this);
    } catch (RuntimeException | Error e) {
      stream.close();
      throw e;
    }
  }

  @Override
  public String backend() {
    return "cuda";
  }

  /** The compute capability: {@code sm_90}. */
  @Override
  public String isa() {
    return isa(info);
  }

  static String isa(CudaKernels.Info info) {
    return "sm_" + info.major() + info.minor();
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

  /** The device's name as its driver tells it. */
  public String name() {
    return info.name();
  }

  @Override
  public MemorySegment allocate(long bytes, Arena arena) {
    MemorySegment segment = allocateRaw(bytes, arena);
    if (bytes > 0) {
      inTurn(() -> kernels.fill(stream.handle(), resolve("memory", segment), 0, bytes));
    }
    return segment;
  }

  /** Memory with unspecified content. */
  private MemorySegment allocateRaw(long bytes, Arena arena) {
    MemorySegment[] made = new MemorySegment[1];
    inTurn(
        () -> {
          requireNoCapture();
          made[0] = memory.allocate(bytes, arena);
        });
    return made[0];
  }

  @Override
  public long freeMemory() {
    return kernels.info(device).freeMemory();
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
    if (fromDevice && toDevice) {
      inTurn(
          () ->
              kernels.copy(stream.handle(), resolve("to", target), resolve("from", source), bytes));
    } else if (fromDevice) {
      requireHost("to", target);
      inTurn(() -> staging.download(resolve("from", source), target));
    } else {
      requireHost("from", source);
      if (toDevice) {
        inTurn(() -> upload(source, resolve("to", target)));
      } else {
        requireHost("to", target);
        target.copyFrom(source);
      }
    }
  }

  /** What is neither memory of this device nor the host's was freed, or is another device's. */
  private void requireHost(String name, MemorySegment segment) {
    if (!segment.isAccessibleBy(Thread.currentThread())) {
      resolve(name, segment);
    }
  }

  @Override
  public List<Weight> place(List<Weight> weights, ComputeType compute, Arena arena) {
    long bytes = 0;
    for (Weight weight : weights) {
      bytes = Math.addExact(bytes, placedBytes(weight, compute));
    }
    MemorySegment all = allocateRaw(bytes, arena);
    List<Weight> placed = new ArrayList<>(weights.size());
    long at = 0;
    for (Weight weight : weights) {
      long size = storedBytes(weight, compute);
      MemorySegment to = all.asSlice(at, size);
      upload(weight, to, typeFor(weight, compute));
      placed.add(Weight.of(Tensor.of(to, typeFor(weight, compute), weight.out(), weight.in())));
      at += placedBytes(weight, compute);
    }
    return placed;
  }

  @Override
  public long placedBytes(Weight weight, ComputeType compute) {
    return (storedBytes(weight, compute) + ALIGNMENT - 1) & -ALIGNMENT;
  }

  private static long storedBytes(Weight weight, ComputeType compute) {
    return typeFor(weight, compute)
        .bytes(Math.multiplyExact(weight.tensor().dim(0), weight.tensor().dim(1)));
  }

  /** BF16 stays. F32 and F16 become BF16 where that is computed with, else F32, which is exact. */
  private static StorageFormat typeFor(Weight weight, ComputeType compute) {
    if (!weight.format().isWeight()) {
      throw new InvalidArgumentException(
          "weight is " + weight.tensor() + ", but must be " + StorageFormat.weightNames());
    }
    return weight.format() == StorageFormat.BF16 || compute == ComputeType.BF16
        ? StorageFormat.BF16
        : StorageFormat.F32;
  }

  private void upload(Weight weight, MemorySegment to, StorageFormat type) {
    Tensor from = weight.tensor();
    long columns = from.dim(1);
    if (from.dim(0) > 1 && from.stride(0) != columns) {
      throw new InvalidArgumentException(
          "weight is " + from + " with gaps between its rows, but must be contiguous");
    }
    long count = from.dim(0) * columns;
    long piece = PIECE / from.format().blockBytes();
    for (long done = 0; done < count; done += piece) {
      long elements = Math.min(piece, count - done);
      MemorySegment source =
          from.segment().asSlice(from.format().bytes(done), from.format().bytes(elements));
      MemorySegment target = to.asSlice(type.bytes(done), type.bytes(elements));
      if (from.format() == type) {
        copy(source, 0, target, 0, source.byteSize());
      } else if (type == StorageFormat.F32) {
        copy(widened(source, elements), 0, target, 0, target.byteSize());
      } else {
        inTurn(
            () -> {
              MemorySegment raw = ops.pieceOf(source.byteSize());
              upload(source, raw);
              kernels.convert(
                  stream.handle(), from.format(), raw, elements, resolve("weight", target));
            });
      }
    }
  }

  private static MemorySegment widened(MemorySegment f16, long count) {
    float[] floats = new float[(int) count];
    for (int i = 0; i < floats.length; i++) {
      floats[i] = Float.float16ToFloat(f16.get(ValueLayout.JAVA_SHORT_UNALIGNED, 2L * i));
    }
    return MemorySegment.ofArray(floats);
  }

  @Override
  public Ops ops() {
    return ops;
  }

  @Override
  public Optional<Sampling> sampling() {
    return Optional.of(ops);
  }

  /** Waits until everything that was launched has run. */
  public void synchronize() {
    inTurn(stream::synchronize);
  }

  /**
   * Records what {@code step} launches instead of running it. The step must have run before with
   * the same sizes, so that nothing is allocated, and must not copy to the host.
   *
   * @throws DeviceException where the step did what cannot be captured
   */
  public CudaGraph capture(Runnable step) {
    turn.lock();
    try {
      stream.synchronize();
      CudaStaging inputs = new CudaStaging(kernels, memory, device, stream);
      CudaStaging usual = staging;
      MemorySegment graph = null;
      try {
        inputs.fix();
        staging = inputs;
        capturing = true;
        kernels.beginCapture(stream.handle());
        RuntimeException failure = null;
        try {
          step.run();
        } catch (RuntimeException e) {
          failure = e;
        }
        try {
          graph = kernels.endCapture(stream.handle());
        } catch (Mla4jException e) {
          failure = failure == null ? e : failure;
        }
        capturing = false;
        if (failure != null) {
          throw failure;
        }
        return new CudaGraph(this, inputs, graph, moves);
      } catch (RuntimeException | Error e) {
        if (graph != null) {
          kernels.destroyGraph(device, graph);
        }
        inputs.close();
        throw e;
      } finally {
        staging = usual;
        capturing = false;
      }
    } finally {
      turn.unlock();
    }
  }

  /** In turn. */
  void requireNoCapture() {
    if (capturing) {
      throw new DeviceException(
          "a captured step allocates memory: it must run once before, with the same sizes");
    }
  }

  /** Memory that the operations kept is freed. In turn. */
  void moved() {
    moves++;
  }

  void launch(CudaGraph graph) {
    inTurn(
        () -> {
          if (graph.handle() == null) {
            throw new ClosedException("the graph is closed");
          }
          if (graph.moves() != moves) {
            throw new InvalidStateException(
                "an operation has enlarged the memory that the graph computes in: capture it"
                    + " again");
          }
          kernels.launchGraph(stream.handle(), graph.handle());
        });
  }

  /** Also of a closed device, which has waited for all that was launched. */
  void destroy(MemorySegment graph, CudaStaging inputs) {
    turn.lock();
    try (inputs) {
      try {
        if (staging != null) {
          stream.synchronize();
        }
      } finally {
        kernels.destroyGraph(device, graph);
      }
    } finally {
      turn.unlock();
    }
  }

  CudaKernels kernels() {
    return kernels;
  }

  CudaKernels.Info info() {
    return info;
  }

  /** The handle that launches take, in turn. */
  MemorySegment stream() {
    return stream.handle();
  }

  MemorySegment resolve(String name, MemorySegment segment) {
    return memory.resolve(name, segment);
  }

  CudaMemory memory() {
    return memory;
  }

  /** In turn. */
  void upload(MemorySegment from, MemorySegment to) {
    staging.upload(from, to);
  }

  void inTurn(Runnable work) {
    turn.lock();
    try {
      stream.handle(); // throws where the device is closed, before anything is allocated
      work.run();
    } finally {
      turn.unlock();
    }
  }

  @Override
  public void close() {
    turn.lock();
    try {
      if (staging == null) {
        return;
      }
      Mla4jException failure = null;
      for (AutoCloseable part : List.of(stream, staging, ops)) {
        try {
          part.close();
        } catch (Mla4jException e) {
          failure = failure == null ? e : failure;
        } catch (Exception e) {
          throw new AssertionError("nothing else is thrown", e);
        }
      }
      staging = null;
      if (failure != null) {
        throw failure;
      }
    } finally {
      turn.unlock();
    }
  }
}

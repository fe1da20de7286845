package io.mla4j.cpu;

import io.mla4j.AttentionCosts;
import io.mla4j.BackendException;
import io.mla4j.BoundOperation;
import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.InvalidArgumentException;
import io.mla4j.MappedWatch;
import io.mla4j.Mla4jException;
import io.mla4j.PinnedMemory;
import io.mla4j.ops.Absorb;
import io.mla4j.ops.AppendGrouped;
import io.mla4j.ops.AppendLatent;
import io.mla4j.ops.AppendRows;
import io.mla4j.ops.Attend;
import io.mla4j.ops.AttendAbsorbed;
import io.mla4j.ops.AttendChosen;
import io.mla4j.ops.AttendDelta;
import io.mla4j.ops.AttendGrouped;
import io.mla4j.ops.ChooseKeys;
import io.mla4j.ops.Expand;
import io.mla4j.ops.FeedForward;
import io.mla4j.ops.Linear;
import io.mla4j.ops.Mixture;
import io.mla4j.ops.Operation;
import io.mla4j.ops.RowOperation;
import io.mla4j.spi.Kernels;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** The processor: kernels, threads, and memory that Java may touch. */
public final class CpuDevice implements Device {
  /** The largest thread count that can be asked for. */
  public static final int MAX_THREADS = 1024;

  /** Where memory comes from. */
  @FunctionalInterface
  public interface Allocator {
    /** Zeroed memory, aligned to 64 bytes, freed when {@code arena} closes. */
    MemorySegment allocate(long bytes, Arena arena);

    /** As {@link Device#commitOnTouch}. */
    default boolean commitOnTouch(MemorySegment memory) {
      return false;
    }

    /** As {@link Device#giveBack}. */
    default boolean giveBack(MemorySegment memory) {
      return false;
    }

    /** As {@link Device#watch}. */
    default MappedWatch watch(MemorySegment mapped) {
      return MappedWatch.NONE;
    }
  }

  /** Memory of {@link Arena#allocate}. */
  public static final Allocator ARENA_ALLOCATOR = (bytes, arena) -> arena.allocate(bytes, 64);

  private final String backend;
  private final Kernels kernels;
  private final Allocator allocator;
  private final Workers workers;
  private final Cpu cpu;

  /**
   * A device.
   *
   * @param threads 0 for the physical cores that the process may use
   * @throws InvalidArgumentException where threads is negative or more than {@link #MAX_THREADS}
   */
  public CpuDevice(String backend, Kernels kernels, Allocator allocator, int threads) {
    if (threads < 0 || threads > MAX_THREADS) {
      throw new InvalidArgumentException(
          "threads is " + threads + ", but must be in 0.." + MAX_THREADS);
    }
    this.backend = backend;
    this.kernels = kernels;
    this.allocator = allocator;
    this.workers = new Workers(threads == 0 ? Processors.physicalCores() : threads);
    this.cpu = new Cpu(kernels, allocator, workers);
  }

  @Override
  public String backend() {
    return backend;
  }

  @Override
  public String isa() {
    return kernels.isa();
  }

  @Override
  public int threads() {
    return workers.threads();
  }

  /** The kernels of the device's tiles. */
  public Kernels kernels() {
    return kernels;
  }

  /** The threads that share the tiles. */
  public Workers workers() {
    return workers;
  }

  @Override
  public ComputeType preferredComputeType() {
    return kernels.prefersBf16() ? ComputeType.BF16 : ComputeType.F32;
  }

  @Override
  public ComputeType preferredComputeType(boolean quantised) {
    return quantised && kernels.prefersInt8() ? ComputeType.INT8 : preferredComputeType();
  }

  @Override
  public AttentionCosts attentionCosts() {
    return kernels.attentionCosts();
  }

  @Override
  public boolean hostAccessible() {
    return true;
  }

  @Override
  public MemorySegment allocate(long bytes, Arena arena) {
    if (bytes < 0) {
      throw new InvalidArgumentException("bytes is " + bytes + ", but must not be negative");
    }
    try {
      return allocator.allocate(bytes, arena);
    } catch (OutOfMemoryError e) {
      throw new Mla4jException("not enough memory for " + bytes + " bytes", e);
    }
  }

  @Override
  public boolean commitOnTouch(MemorySegment memory) {
    return allocator.commitOnTouch(memory);
  }

  @Override
  public boolean giveBack(MemorySegment memory) {
    return allocator.giveBack(memory);
  }

  @Override
  public MappedWatch watch(MemorySegment mapped) {
    MappedWatch watch = allocator.watch(mapped);
    cpu.readahead.add(mapped);
    return new MappedWatch() {
      @Override
      public boolean lost() {
        return watch.lost();
      }

      @Override
      public void close() {
        cpu.readahead.remove(mapped);
        watch.close();
      }
    };
  }

  @Override
  public PinnedMemory pin(List<MemorySegment> segments) {
    return LockedPages.of(segments);
  }

  @Override
  public void copy(
      MemorySegment from, long fromOffset, MemorySegment to, long toOffset, long bytes) {
    MemorySegment.copy(from, fromOffset, to, toOffset, bytes);
  }

  @Override
  public BoundOperation bind(Operation operation) {
    return switch (operation) {
      case RowOperation o -> new RunRows(cpu, o);
      case Linear o -> new RunLinear(cpu, o);
      case Absorb o -> new RunHeads(cpu, new HeadTiles(cpu, o), o.q().dim(0));
      case Expand o -> new RunHeads(cpu, new HeadTiles(cpu, o), o.x().dim(0));
      case AppendLatent o -> new RunAppend(cpu, o);
      case AppendRows o -> new RunAppend(cpu, o);
      case AppendGrouped o -> new RunAppend(cpu, o);
      case AttendAbsorbed o -> new RunAttendAbsorbed(cpu, o);
      case AttendGrouped o -> new RunAttendAbsorbed(cpu, o);
      case Attend o -> new RunAttend(cpu, o);
      case AttendDelta o -> new RunDelta(cpu, o);
      case ChooseKeys o -> new RunChooseKeys(cpu, o);
      case AttendChosen o -> new RunAttend(cpu, o);
      case FeedForward o -> new RunFeedForward(cpu, o);
      case Mixture o -> new RunMixture(cpu, o);
      case null -> throw new InvalidArgumentException("operation is null");
      default ->
          throw new BackendException(
              "backend " + backend + " has no operation " + operation.name());
    };
  }

  @Override
  public void close() {
    workers.close();
    cpu.close();
  }
}

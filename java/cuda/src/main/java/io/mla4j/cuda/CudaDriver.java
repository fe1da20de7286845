package io.mla4j.cuda;

import static io.mla4j.cuda.CudaStatus.ERROR_BYTES;
import static io.mla4j.cuda.CudaStatus.check;
import static io.mla4j.cuda.CudaStatus.error;
import static io.mla4j.cuda.CudaStatus.result;

import io.mla4j.device.DeviceDriver;
import io.mla4j.device.DeviceEvent;
import io.mla4j.device.DeviceKernels;
import io.mla4j.device.DeviceStream;
import io.mla4j.device.KernelMemory;
import io.mla4j.ffi.abi.mla_device_info;
import io.mla4j.ffi.abi.mla_device_kernels;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** One GPU: the functions of {@code mla_device_kernels} that launch nothing. */
final class CudaDriver implements DeviceDriver {
  private static final int NAME_BYTES = 256;

  private final MemorySegment table;
  private final int device;
  private final Info info;

  /**
   * The GPU number {@code device}.
   *
   * @param table a {@code mla_device_kernels} that outlives this object
   */
  CudaDriver(MemorySegment table, int device) {
    this.table = table;
    this.device = device;
    this.info = info(table, device);
  }

  /**
   * What a device is.
   *
   * @param major of its compute capability
   * @param sharedBytes shared memory that a block can have
   * @param driver CUDA version that the driver supports: 1000 major + 10 minor
   * @param totalMemory bytes
   */
  record Info(
      String name,
      int major,
      int minor,
      int multiprocessors,
      int sharedBytes,
      int driver,
      long totalMemory,
      long freeMemory) {
    /** The compute capability: {@code sm_90}. */
    String isa() {
      return "sm_" + major + minor;
    }
  }

  /** GPUs of this machine. */
  static int count(MemorySegment table) {
    check(
        mla_device_kernels.count.invoke(
            mla_device_kernels.count(table), result(), error(), ERROR_BYTES));
    return result().get(ValueLayout.JAVA_INT, 0);
  }

  static Info info(MemorySegment table, int device) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment info = mla_device_info.allocate(arena);
      mla_device_info.struct_size(info, (int) mla_device_info.sizeof());
      MemorySegment name = arena.allocate(NAME_BYTES);
      check(
          mla_device_kernels.info.invoke(
              mla_device_kernels.info(table),
              device,
              info,
              name,
              NAME_BYTES,
              error(),
              ERROR_BYTES));
      return new Info(
          name.getString(0),
          mla_device_info.major(info),
          mla_device_info.minor(info),
          mla_device_info.multiprocessors(info),
          mla_device_info.shared_bytes(info),
          mla_device_info.driver(info),
          mla_device_info.total_memory(info),
          mla_device_info.free_memory(info));
    }
  }

  private static MemorySegment pointer() {
    return result().get(ValueLayout.ADDRESS, 0);
  }

  @Override
  public String backend() {
    return CudaBackend.NAME;
  }

  @Override
  public String name() {
    return info.name();
  }

  @Override
  public String isa() {
    return info.isa();
  }

  @Override
  public long freeMemory() {
    return info(table, device).freeMemory();
  }

  @Override
  public MemorySegment allocate(long bytes) {
    MemorySegment allocate = mla_device_kernels.allocate(table);
    check(
        mla_device_kernels.allocate.invoke(
            allocate, device, bytes, result(), error(), ERROR_BYTES));
    return pointer();
  }

  @Override
  public void release(MemorySegment memory) {
    MemorySegment release = mla_device_kernels.release(table);
    check(mla_device_kernels.release.invoke(release, device, memory, error(), ERROR_BYTES));
  }

  @Override
  public MemorySegment allocatePinned(long bytes) {
    MemorySegment allocate = mla_device_kernels.allocate_host(table);
    check(
        mla_device_kernels.allocate_host.invoke(
            allocate, device, bytes, result(), error(), ERROR_BYTES));
    return pointer();
  }

  @Override
  public void releasePinned(MemorySegment memory) {
    MemorySegment release = mla_device_kernels.release_host(table);
    check(mla_device_kernels.release_host.invoke(release, device, memory, error(), ERROR_BYTES));
  }

  @Override
  public DeviceStream newStream() {
    return new CudaStream(table, device);
  }

  @Override
  public DeviceEvent newEvent() {
    return new CudaEvent(table, device);
  }

  @Override
  public DeviceKernels kernels(DeviceStream stream, KernelMemory memory) {
    return new CudaKernels(new CudaCalls(table, (CudaStream) stream, memory), info);
  }
}

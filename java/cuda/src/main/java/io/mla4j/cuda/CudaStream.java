package io.mla4j.cuda;

import static io.mla4j.cuda.CudaStatus.ERROR_BYTES;
import static io.mla4j.cuda.CudaStatus.check;
import static io.mla4j.cuda.CudaStatus.error;
import static io.mla4j.cuda.CudaStatus.result;

import io.mla4j.ClosedException;
import io.mla4j.device.DeviceEvent;
import io.mla4j.device.DeviceStream;
import io.mla4j.ffi.abi.mla_device_kernels;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** A stream of a GPU. */
final class CudaStream implements DeviceStream {
  private final MemorySegment table;
  private MemorySegment handle;

  CudaStream(MemorySegment table, int device) {
    this.table = table;
    check(
        mla_device_kernels.create_stream.invoke(
            mla_device_kernels.create_stream(table), device, result(), error(), ERROR_BYTES));
    handle = result().get(ValueLayout.ADDRESS, 0);
  }

  /**
   * What calls take.
   *
   * @throws ClosedException after {@link #close}
   */
  MemorySegment handle() {
    if (handle == null) {
      throw new ClosedException("the stream is closed");
    }
    return handle;
  }

  @Override
  public void synchronize() {
    check(
        mla_device_kernels.synchronize.invoke(
            mla_device_kernels.synchronize(table), handle(), error(), ERROR_BYTES));
  }

  @Override
  public void copy(MemorySegment to, MemorySegment from, long bytes) {
    check(
        mla_device_kernels.copy.invoke(
            mla_device_kernels.copy(table), handle(), to, from, bytes, error(), ERROR_BYTES));
  }

  @Override
  public void zero(MemorySegment memory, long bytes) {
    check(
        mla_device_kernels.fill.invoke(
            mla_device_kernels.fill(table), handle(), memory, 0, bytes, error(), ERROR_BYTES));
  }

  @Override
  public void record(DeviceEvent event) {
    ((CudaEvent) event).record(handle());
  }

  @Override
  public void close() {
    if (handle != null) {
      MemorySegment open = handle;
      handle = null;
      check(
          mla_device_kernels.destroy_stream.invoke(
              mla_device_kernels.destroy_stream(table), open, error(), ERROR_BYTES));
    }
  }
}

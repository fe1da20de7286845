package io.mla4j.cuda;

import static io.mla4j.cuda.CudaStatus.ERROR_BYTES;
import static io.mla4j.cuda.CudaStatus.check;
import static io.mla4j.cuda.CudaStatus.error;
import static io.mla4j.cuda.CudaStatus.result;

import io.mla4j.device.DeviceEvent;
import io.mla4j.ffi.abi.mla_device_kernels;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** An event of a GPU. */
final class CudaEvent implements DeviceEvent {
  private final MemorySegment table;
  private final int device;
  private MemorySegment handle;
  private boolean recorded;

  CudaEvent(MemorySegment table, int device) {
    this.table = table;
    this.device = device;
    check(
        mla_device_kernels.create_event.invoke(
            mla_device_kernels.create_event(table), device, result(), error(), ERROR_BYTES));
    handle = result().get(ValueLayout.ADDRESS, 0);
  }

  void record(MemorySegment stream) {
    check(
        mla_device_kernels.record_event.invoke(
            mla_device_kernels.record_event(table), stream, handle, error(), ERROR_BYTES));
    recorded = true;
  }

  @Override
  public void synchronize() {
    if (recorded) {
      check(
          mla_device_kernels.synchronize_event.invoke(
              mla_device_kernels.synchronize_event(table), device, handle, error(), ERROR_BYTES));
    }
  }

  @Override
  public void close() {
    if (handle != null) {
      MemorySegment open = handle;
      handle = null;
      check(
          mla_device_kernels.destroy_event.invoke(
              mla_device_kernels.destroy_event(table), device, open, error(), ERROR_BYTES));
    }
  }
}

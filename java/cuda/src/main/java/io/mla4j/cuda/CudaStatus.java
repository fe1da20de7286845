package io.mla4j.cuda;

import io.mla4j.BackendException;
import io.mla4j.DeviceException;
import io.mla4j.DeviceLostException;
import io.mla4j.DeviceMemoryException;
import io.mla4j.InvalidArgumentException;
import io.mla4j.Mla4jException;
import io.mla4j.ffi.abi.Mla;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Where calls of one thread leave an error's text and a result, and the exceptions that statuses
 * become. The memory lives as long as the thread.
 */
final class CudaStatus {
  static final int ERROR_BYTES = 512;
  private static final ThreadLocal<CudaStatus> OF_THREAD = ThreadLocal.withInitial(CudaStatus::new);

  private final MemorySegment error = Arena.ofAuto().allocate(ERROR_BYTES);
  private final MemorySegment result = Arena.ofAuto().allocate(ValueLayout.ADDRESS);

  private CudaStatus() {}

  /** Where a call of this thread writes its error. */
  static MemorySegment error() {
    return OF_THREAD.get().error;
  }

  /** Where a call of this thread writes a pointer or an int. */
  static MemorySegment result() {
    return OF_THREAD.get().result;
  }

  /** Of a call that wrote its text to {@link #error}. */
  static void check(int status) {
    if (status != Mla.MLA_OK()) {
      throw failure(status, error().getString(0));
    }
  }

  static Mla4jException failure(int status, String text) {
    if (status == Mla.MLA_INVALID_ARGUMENT()) {
      return new InvalidArgumentException(text);
    }
    if (status == Mla.MLA_OUT_OF_MEMORY()) {
      return new DeviceMemoryException(text);
    }
    if (status == Mla.MLA_DEVICE_LOST()) {
      return new DeviceLostException("the device is lost: " + text);
    }
    if (status == Mla.MLA_DEVICE_ERROR()) {
      return new DeviceException(text);
    }
    return new BackendException("backend cuda: " + text);
  }
}

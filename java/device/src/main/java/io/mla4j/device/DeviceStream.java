package io.mla4j.device;

import java.lang.foreign.MemorySegment;

/**
 * What is put on a stream runs in order, later than the call. Belongs to one thread at a time;
 * after {@link #close} calls throw {@link io.mla4j.ClosedException}.
 */
public interface DeviceStream extends AutoCloseable {
  /** Waits until everything on the stream has run. */
  void synchronize();

  /** Copies between memory of the device and pinned memory. */
  void copy(MemorySegment to, MemorySegment from, long bytes);

  /** Zeros memory of the device. */
  void zero(MemorySegment memory, long bytes);

  /** The event is reached when the stream has passed what is on it now. */
  void record(DeviceEvent event);

  /** Waits for what is on the stream. Closing twice is harmless. */
  @Override
  void close();
}

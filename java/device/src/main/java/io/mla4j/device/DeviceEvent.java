package io.mla4j.device;

/** A place in a stream that can be waited for. Belongs to one thread at a time. */
public interface DeviceEvent extends AutoCloseable {
  /** Waits until the event is reached, if it was ever recorded. */
  void synchronize();

  /** Closing twice is harmless. */
  @Override
  void close();
}

package io.mla4j;

/**
 * A device with memory of its own failed to launch, copy or compute; the message names what it was.
 */
public class DeviceException extends BackendException {
  private static final long serialVersionUID = 1L;

  /** An exception whose message names the kernel or the call that failed. */
  public DeviceException(String message) {
    super(message);
  }
}

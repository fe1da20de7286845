package io.mla4j;

/**
 * A device does not answer any more: nothing works on it until the process ends. Closing what lives
 * on it is safe.
 */
public class DeviceLostException extends DeviceException {
  private static final long serialVersionUID = 1L;

  /** An exception whose message names the kernel or the call that failed. */
  public DeviceLostException(String message) {
    super(message);
  }
}

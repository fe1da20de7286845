package io.mla4j;

/**
 * A device, or the pinned memory of its host, has fewer free bytes than were asked for. What was
 * there is unchanged.
 */
public class DeviceMemoryException extends DeviceException {
  private static final long serialVersionUID = 1L;

  /** An exception whose message says how many bytes were asked for. */
  public DeviceMemoryException(String message) {
    super(message);
  }
}

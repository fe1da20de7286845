package io.mla4j.spi;

import io.mla4j.Device;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A kind of device, found by {@link java.util.ServiceLoader}.
 *
 * <p>Constructing one is cheap and never fails; {@link #probe} finds out whether it works here.
 * Thread-safe.
 */
public interface Backend {
  /** The name that users say, such as {@code vector}. */
  String name();

  /**
   * The higher one of two that work is the default: 0 for plain Java, 100 for Java with vectors,
   * 200 for native code on processors, 300 for other devices.
   */
  int rank();

  /** Whether it works here, and why not. Never throws. */
  Probe probe();

  /**
   * Whether the user insists on it by something other than its name, such as the file of its
   * library: then it is not passed over where it does not work, but its failure is an error.
   */
  default boolean demanded() {
    return false;
  }

  /** Whether its devices have memory of their own: no processors of the host. */
  default boolean hasOwnMemory() {
    return false;
  }

  /** What it says of itself beside the probe, by name: for people. */
  default Map<String, String> details() {
    return Map.of();
  }

  /**
   * Does on the calling thread what the first operations of a device would otherwise wait for, such
   * as linking functions. Devices work without it. May throw what {@link #open} throws.
   */
  default void prepare() {}

  /**
   * A device.
   *
   * @throws io.mla4j.BackendException where the backend is unavailable, with the cause, or the ISA
   *     is unknown or unsupported
   */
  Device open(Options options);

  /**
   * What a backend found out about this machine.
   *
   * @param available whether {@link #open} will work
   * @param reason one line: why not, or why this ISA
   * @param isas the instruction sets that can be named here, best first
   * @param library the library file in use, if any
   * @param version the library's version, if any
   */
  record Probe(
      boolean available,
      String reason,
      List<String> isas,
      Optional<java.nio.file.Path> library,
      Optional<String> version) {}

  /**
   * How to open a device.
   *
   * @param threads threads for an operation, or 0 for the physical cores that the process may use
   * @param isa an instruction set by name, or null for the fastest
   */
  record Options(int threads, @Nullable String isa) {}
}

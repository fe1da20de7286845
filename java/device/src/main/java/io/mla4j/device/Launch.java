package io.mla4j.device;

/** A kernel made ready: checked, its structs filled. Used in the device's turn. */
@FunctionalInterface
public interface Launch {
  /** Puts the kernel on the device's stream. */
  void launch();
}

package io.mla4j.position;

import io.mla4j.InvalidArgumentException;

/** The argument checks of this package. */
final class Checks {
  private Checks() {}

  static void positive(String name, double value) {
    if (!(value > 0) || Double.isInfinite(value)) {
      throw new InvalidArgumentException(
          name + " is " + value + ", but must be a finite positive number");
    }
  }

  static void positive(String name, int value) {
    if (value < 1) {
      throw new InvalidArgumentException(name + " is " + value + ", but must be at least 1");
    }
  }

  /** NTK's exponent d / (d - 2) needs at least two frequencies. */
  static void ntkWidth(int width) {
    if (width != 0 && width < 4) {
      throw new InvalidArgumentException(
          "the rotated width is " + width + ", but NTK scaling needs 0 or at least 4");
    }
  }
}

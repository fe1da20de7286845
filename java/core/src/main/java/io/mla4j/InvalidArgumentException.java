package io.mla4j;

import org.jspecify.annotations.Nullable;

/**
 * An argument is outside of what an operation accepts: a shape, a type, a range, a null. Nothing
 * was changed.
 */
public class InvalidArgumentException extends Mla4jException {
  private static final long serialVersionUID = 1L;

  /** An exception whose message names the argument, its value and what is allowed. */
  public InvalidArgumentException(String message) {
    super(message);
  }

  /**
   * Looks at an argument.
   *
   * @param allowed as in {@code topK is -1, but must be at least 0}
   * @throws InvalidArgumentException saying so where {@code holds} is false
   */
  public static void require(boolean holds, String name, @Nullable Object value, String allowed) {
    if (!holds) {
      throw new InvalidArgumentException(name + " is " + value + ", but must be " + allowed);
    }
  }
}

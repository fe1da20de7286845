package io.mla4j.ops;

/**
 * How the elements of a quantised format are integers: so many that follow each other share a scale
 * and, where it has them, a minimum. Elements are {@code scale * code} with signed codes, or {@code
 * scale * code + minimum} with codes from 0 to 31.
 *
 * @param run elements that share a scale: 16 or 32
 * @param hasMinima whether they share a minimum too
 */
public record Coding(int run, boolean hasMinima) {
  static final int SHORTEST_RUN = 16;

  /** 32 elements under a scale. */
  static final Coding SIGNED = new Coding(32, false);

  /** 16 elements under a scale. */
  static final Coding SIGNED_16 = new Coding(16, false);

  /** 32 elements with scale and minimum. */
  static final Coding WITH_MINIMA = new Coding(32, true);

  /** 16 elements with scale and minimum. */
  static final Coding WITH_MINIMA_16 = new Coding(16, true);
}

package io.mla4j.ops;

/** Which two elements of a rotated part form pair {@code i} of {@code rope / 2}. */
public enum RopeLayout {
  /** Elements {@code 2i} and {@code 2i + 1}: DeepSeek's published weights. */
  PAIRS,
  /** Elements {@code i} and {@code i + rope/2}: "rotate half". */
  HALVES
}

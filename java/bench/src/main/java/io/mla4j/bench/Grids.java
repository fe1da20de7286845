package io.mla4j.bench;

import java.util.List;

/** What the grids share. */
final class Grids {
  private Grids() {}

  /** The values of an axis in their order, each once. */
  static <T> List<T> distinct(List<T> values) {
    return values.stream().distinct().toList();
  }
}

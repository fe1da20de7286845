package io.mla4j.text.template;

import java.util.Arrays;
import java.util.List;

/** A tuple, which prints and compares other than a list. */
record Tuple(List<Object> items) {
  static Tuple of(Object... items) {
    return new Tuple(Arrays.asList(items));
  }
}

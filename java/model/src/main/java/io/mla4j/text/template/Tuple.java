package io.mla4j.text.template;

import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A tuple, which prints and compares other than a list. */
record Tuple(List<@Nullable Object> items) {
  static Tuple of(@Nullable Object... items) {
    return new Tuple(Arrays.asList(items));
  }
}

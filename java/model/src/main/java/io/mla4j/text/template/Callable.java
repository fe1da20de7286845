package io.mla4j.text.template;

import org.jspecify.annotations.Nullable;

/** A function, a macro or a method. */
@FunctionalInterface
interface Callable {
  @Nullable Object call(Frame frame, Arguments arguments);
}

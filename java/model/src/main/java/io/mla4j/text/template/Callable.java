package io.mla4j.text.template;

/** A function, a macro or a method. */
@FunctionalInterface
interface Callable {
  Object call(Frame frame, Arguments arguments);
}

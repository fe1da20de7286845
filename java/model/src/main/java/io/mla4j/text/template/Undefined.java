package io.mla4j.text.template;

import org.jspecify.annotations.Nullable;

/** What a name stands for that nobody has set: empty as a text, an error as anything else. */
record Undefined(String problem) {
  static Undefined name(String name) {
    return new Undefined("'" + name + "' is undefined");
  }

  static Undefined attribute(@Nullable Object of, @Nullable Object name) {
    return new Undefined(
        of == null
            ? "None has no attribute " + Texts.repr(name)
            : "'" + Values.typeName(of) + " object' has no attribute " + Texts.repr(name));
  }
}

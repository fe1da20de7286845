package io.mla4j.server;

import com.fasterxml.jackson.core.JsonStreamContext;

/** The way to a field, as messages write it: {@code messages[2].content}. */
final class Paths {
  private static final int MOST = 100;

  private Paths() {}

  static String of(JsonStreamContext context) {
    StringBuilder path = new StringBuilder();
    append(path, context);
    return path.length() > MOST ? path.substring(0, MOST) + ".." : path.toString();
  }

  private static void append(StringBuilder path, JsonStreamContext context) {
    if (context == null || context.inRoot()) {
      return;
    }
    append(path, context.getParent());
    if (context.inArray() && context.hasCurrentIndex()) {
      path.append('[').append(context.getCurrentIndex()).append(']');
    } else if (context.inObject() && context.getCurrentName() != null) {
      String name = Quoted.of(context.getCurrentName());
      path.append(path.isEmpty() ? "" : ".").append(name, 1, name.length() - 1);
    }
  }
}

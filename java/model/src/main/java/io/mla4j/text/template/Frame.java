package io.mla4j.text.template;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Where a template is while it is rendered: names, output, and what may still be spent. Names that
 * are set belong to the innermost scope.
 */
final class Frame {
  /** Nodes that are evaluated, and characters that are written, at most. */
  private static final long MOST_STEPS = 10_000_000;

  private static final long MOST_CHARACTERS = 64_000_000;
  private static final int MOST_NESTED = 300;

  /** Names of a part of a template, inside of others. */
  static final class Scope {
    private final @Nullable Scope outer;
    private final Map<String, @Nullable Object> names = new HashMap<>();

    Scope(@Nullable Scope outer) {
      this.outer = outer;
    }

    void set(String name, @Nullable Object value) {
      names.put(name, value);
    }
  }

  private final String template;
  private Scope scope;
  private StringBuilder out = new StringBuilder();
  private int line = 1;
  private int nested;
  private long steps;
  private long characters;

  Frame(String template, Map<String, ?> variables) {
    this.template = template;
    Scope globals = new Scope(null);
    globals.names.putAll(Functions.GLOBALS);
    globals.names.putAll(variables);
    scope = new Scope(globals);
  }

  /** What a name stands for. */
  @Nullable Object find(String name) {
    for (Scope at = scope; at != null; at = at.outer) {
      if (at.names.containsKey(name)) {
        return at.names.get(name);
      }
    }
    return Undefined.name(name);
  }

  void set(String name, @Nullable Object value) {
    scope.set(name, value);
  }

  Scope scope() {
    return scope;
  }

  /** Runs {@code body} with new names inside of {@code outer}. */
  <T> T within(Scope outer, Supplier<T> body) {
    Scope before = scope;
    scope = new Scope(outer);
    try {
      return body.get();
    } finally {
      scope = before;
    }
  }

  @Nullable Object evaluate(Expression expression) {
    enter();
    try {
      return expression.evaluate(this);
    } finally {
      nested--;
    }
  }

  /** Runs statements until one leaves a loop. */
  Statement.Next run(List<Statement> statements) {
    enter();
    try {
      for (Statement statement : statements) {
        step();
        line = statement.line();
        Statement.Next next = statement.run(this);
        if (next != Statement.Next.ON) {
          return next;
        }
      }
      return Statement.Next.ON;
    } finally {
      nested--;
    }
  }

  private void enter() {
    step();
    if (++nested > MOST_NESTED) {
      nested--;
      throw error("it is nested more than " + MOST_NESTED);
    }
  }

  private void step() {
    if (++steps > MOST_STEPS) {
      throw error("it takes more than " + MOST_STEPS + " steps");
    }
  }

  /** Spends characters, or what takes as much memory. */
  void charge(long count) {
    characters += count;
    if (characters > MOST_CHARACTERS) {
      throw error("it makes more than " + MOST_CHARACTERS + " characters");
    }
  }

  /** A new text of {@code length} characters. */
  String text(long length, Supplier<String> make) {
    charge(length);
    return make.get();
  }

  void write(String text) {
    charge(text.length());
    out.append(text);
  }

  /** What {@code body} writes. */
  String capture(Runnable body) {
    StringBuilder before = out;
    out = new StringBuilder();
    try {
      body.run();
      return out.toString();
    } finally {
      out = before;
    }
  }

  String output() {
    return out.toString();
  }

  void requireDefined(@Nullable Object value) {
    if (value instanceof Undefined undefined) {
      throw error(undefined.problem());
    }
  }

  /** What to throw at the line that runs. */
  TemplateException error(String problem) {
    return new TemplateException(
        template + ": line " + line + ": " + problem.strip().replaceAll("\\s*[\\r\\n]+\\s*", " "));
  }
}

package io.mla4j.text.template;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What has a value. */
sealed interface Expression {
  @Nullable Object evaluate(Frame frame);

  /** A constant. */
  record Constant(@Nullable Object value) implements Expression {
    @Override
    public @Nullable Object evaluate(Frame frame) {
      return value;
    }
  }

  /** A name. */
  record Name(String name) implements Expression {
    @Override
    public @Nullable Object evaluate(Frame frame) {
      return frame.find(name);
    }
  }

  /** {@code [a, b]}, or {@code (a, b)}. */
  record Items(List<Expression> items, boolean tuple) implements Expression {
    @Override
    public @Nullable Object evaluate(Frame frame) {
      List<@Nullable Object> values = new ArrayList<>(items.size());
      for (Expression item : items) {
        values.add(frame.evaluate(item));
      }
      return tuple ? new Tuple(values) : values;
    }
  }

  /** {@code {k: v}}. */
  record Entries(Map<Expression, Expression> entries) implements Expression {
    @Override
    public @Nullable Object evaluate(Frame frame) {
      Map<@Nullable Object, @Nullable Object> values = new LinkedHashMap<>();
      entries.forEach((key, value) -> values.put(frame.evaluate(key), frame.evaluate(value)));
      return values;
    }
  }

  /** What statements write, in names of their own: the body of a set or a filter block. */
  record Block(List<Statement> body) implements Expression {
    @Override
    public @Nullable Object evaluate(Frame frame) {
      return frame.within(frame.scope(), () -> frame.capture(() -> frame.run(body)));
    }
  }

  /** {@code a.name}. */
  record Attribute(Expression of, String name) implements Expression {
    @Override
    public @Nullable Object evaluate(Frame frame) {
      return Access.attribute(frame, frame.evaluate(of), name);
    }
  }

  /** {@code a[key]}. */
  record Item(Expression of, Expression key) implements Expression {
    @Override
    public @Nullable Object evaluate(Frame frame) {
      return Access.item(frame, frame.evaluate(of), frame.evaluate(key));
    }
  }

  /** {@code a[from:to:step]}, of which each may be null. */
  record Slice(
      Expression of, @Nullable Expression from, @Nullable Expression to, @Nullable Expression step)
      implements Expression {
    @Override
    public @Nullable Object evaluate(Frame frame) {
      return Access.slice(
          frame,
          frame.evaluate(of),
          from == null ? null : frame.evaluate(from),
          to == null ? null : frame.evaluate(to),
          step == null ? null : frame.evaluate(step));
    }
  }

  /**
   * What stands in the parentheses of a call; the last two are {@code *a} and {@code **b}, or null.
   */
  record CallArguments(
      List<Expression> places,
      Map<String, Expression> names,
      @Nullable Expression more,
      @Nullable Expression named) {
    static final CallArguments NONE = new CallArguments(List.of(), Map.of(), null, null);

    Arguments evaluate(Frame frame) {
      List<@Nullable Object> values = new ArrayList<>(places.size());
      for (Expression place : places) {
        values.add(frame.evaluate(place));
      }
      if (more != null) {
        values.addAll(Values.iterate(frame, frame.evaluate(more)));
      }
      Map<String, @Nullable Object> byName = new LinkedHashMap<>();
      names.forEach((name, value) -> byName.put(name, frame.evaluate(value)));
      if (named != null && frame.evaluate(named) instanceof Map<?, ?> map) {
        map.forEach((name, value) -> byName.put(Texts.str(name), value));
      }
      return new Arguments(values, byName);
    }
  }

  /** {@code f(...)}. */
  record Call(Expression function, CallArguments arguments) implements Expression {
    @Override
    public @Nullable Object evaluate(Frame frame) {
      return call(frame, frame.evaluate(function), arguments.evaluate(frame));
    }

    static @Nullable Object call(Frame frame, @Nullable Object function, Arguments arguments) {
      frame.requireDefined(function);
      if (function instanceof Callable callable) {
        return callable.call(frame, arguments);
      }
      throw frame.error("'" + Values.typeName(function) + "' object is not callable");
    }
  }

  /** {@code value|name(...)}. */
  record Filter(Expression value, String name, CallArguments arguments) implements Expression {
    @Override
    public @Nullable Object evaluate(Frame frame) {
      return Filters.apply(frame, name, frame.evaluate(value), arguments.evaluate(frame));
    }
  }

  /** {@code value is name(...)}. */
  record Test(Expression value, String name, CallArguments arguments) implements Expression {
    @Override
    public @Nullable Object evaluate(Frame frame) {
      return Tests.apply(frame, name, frame.evaluate(value), arguments.evaluate(frame));
    }
  }

  /** {@code a + b} and the like. */
  record Binary(String operator, Expression left, Expression right) implements Expression {
    @Override
    public @Nullable Object evaluate(Frame frame) {
      return Operators.apply(frame, operator, frame.evaluate(left), frame.evaluate(right));
    }
  }

  /** {@code a ~ b ~ c}. */
  record Concatenation(List<Expression> parts) implements Expression {
    @Override
    public @Nullable Object evaluate(Frame frame) {
      StringBuilder text = new StringBuilder();
      for (Expression part : parts) {
        String value = Texts.str(frame.evaluate(part));
        frame.charge(value.length());
        text.append(value);
      }
      return text.toString();
    }
  }

  /** {@code -a} or {@code +a}. */
  record Sign(boolean minus, Expression value) implements Expression {
    @Override
    public @Nullable Object evaluate(Frame frame) {
      return Operators.negate(frame, frame.evaluate(value), minus);
    }
  }

  /** {@code not a}. */
  record Not(Expression value) implements Expression {
    @Override
    public @Nullable Object evaluate(Frame frame) {
      return !Values.isTrue(frame.evaluate(value));
    }
  }

  /** {@code a and b}, {@code a or b}: the value that decides. */
  record Logic(boolean and, Expression left, Expression right) implements Expression {
    @Override
    public @Nullable Object evaluate(Frame frame) {
      Object value = frame.evaluate(left);
      return Values.isTrue(value) == and ? frame.evaluate(right) : value;
    }
  }

  /** {@code a < b <= c}. */
  record Comparison(Expression first, List<String> operators, List<Expression> others)
      implements Expression {
    @Override
    public @Nullable Object evaluate(Frame frame) {
      Object left = frame.evaluate(first);
      for (int i = 0; i < others.size(); i++) {
        Object right = frame.evaluate(others.get(i));
        if (!Operators.compare(frame, operators.get(i), left, right)) {
          return false;
        }
        left = right;
      }
      return true;
    }
  }

  /** {@code a if condition else b}, where b may be null. */
  record Conditional(Expression condition, Expression then, @Nullable Expression otherwise)
      implements Expression {
    @Override
    public @Nullable Object evaluate(Frame frame) {
      if (Values.isTrue(frame.evaluate(condition))) {
        return frame.evaluate(then);
      }
      return otherwise == null
          ? new Undefined("the inline if-expression has no else")
          : frame.evaluate(otherwise);
    }
  }
}

package io.mla4j.text.template;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What writes or changes something. */
sealed interface Statement {
  /** Where to go on. */
  enum Next {
    ON,
    BREAK,
    CONTINUE
  }

  int line();

  Next run(Frame frame);

  /** Text as it is. */
  record Data(int line, String text) implements Statement {
    @Override
    public Next run(Frame frame) {
      frame.write(text);
      return Next.ON;
    }
  }

  /** {@code {{ value }}}. */
  record Output(int line, Expression value) implements Statement {
    @Override
    public Next run(Frame frame) {
      frame.write(Texts.str(frame.evaluate(value)));
      return Next.ON;
    }
  }

  /** {@code if}; conditions and what follows when they hold, the last one for sure. */
  record If(int line, List<Expression> conditions, List<List<Statement>> bodies)
      implements Statement {
    @Override
    public Next run(Frame frame) {
      for (int i = 0; i < conditions.size(); i++) {
        if (Values.isTrue(frame.evaluate(conditions.get(i)))) {
          return frame.run(bodies.get(i));
        }
      }
      return Next.ON;
    }
  }

  /** {@code for}; {@code condition} may be null. */
  record For(
      int line,
      Target target,
      Expression items,
      @Nullable Expression condition,
      boolean recursive,
      List<Statement> body,
      List<Statement> otherwise)
      implements Statement {
    @Override
    public Next run(Frame frame) {
      loop(frame, frame.evaluate(items), frame.scope(), 0);
      return Next.ON;
    }

    private void loop(Frame frame, @Nullable Object over, Frame.Scope outer, int depth) {
      List<@Nullable Object> chosen = new ArrayList<>();
      for (Object item : Values.iterate(frame, over)) {
        if (condition == null || frame.within(outer, () -> holds(frame, condition, item))) {
          chosen.add(item);
        }
      }
      Callable again =
          (_, arguments) ->
              frame.capture(() -> loop(frame, arguments.get(0, "", null), outer, depth + 1));
      Loop loop = new Loop(chosen, depth, recursive ? again : null);
      for (int i = 0; i < chosen.size(); i++) {
        loop.moveTo(i);
        Next next =
            frame.within(
                outer,
                () -> {
                  frame.set("loop", loop);
                  target.assign(frame, loop.item());
                  return frame.run(body);
                });
        if (next == Next.BREAK) {
          break;
        }
      }
      if (chosen.isEmpty()) {
        frame.within(outer, () -> frame.run(otherwise));
      }
    }

    private boolean holds(Frame frame, Expression wanted, @Nullable Object item) {
      target.assign(frame, item);
      return Values.isTrue(frame.evaluate(wanted));
    }
  }

  /** {@code break} and {@code continue}. */
  record Leave(int line, Next next) implements Statement {
    @Override
    public Next run(Frame frame) {
      return next;
    }
  }

  /** {@code set a = value}. */
  record Set(int line, Target target, Expression value) implements Statement {
    @Override
    public Next run(Frame frame) {
      target.assign(frame, frame.evaluate(value));
      return Next.ON;
    }
  }

  /** {@code macro}: a function of the names that were there when it was made. */
  record Define(
      int line,
      String name,
      List<String> parameters,
      List<Expression> defaults,
      List<Statement> body)
      implements Statement {
    @Override
    public Next run(Frame frame) {
      frame.set(name, make(frame));
      return Next.ON;
    }

    Define with(List<Statement> statements) {
      return new Define(line, name, parameters, defaults, statements);
    }

    Callable make(Frame frame) {
      Frame.Scope outer = frame.scope();
      return (_, arguments) ->
          frame.within(outer, () -> frame.capture(() -> call(frame, arguments)));
    }

    private void call(Frame frame, Arguments arguments) {
      Map<String, @Nullable Object> more = new LinkedHashMap<>(arguments.names());
      int optional = parameters.size() - defaults.size();
      for (int i = 0; i < parameters.size(); i++) {
        String parameter = parameters.get(i);
        Object value;
        if (i < arguments.places().size()) {
          value = arguments.places().get(i);
        } else if (more.containsKey(parameter)) {
          value = more.get(parameter);
        } else if (i >= optional) {
          value = frame.evaluate(defaults.get(i - optional));
        } else {
          value = new Undefined("parameter '" + parameter + "' was not provided");
        }
        more.remove(parameter);
        frame.set(parameter, value);
      }
      frame.set(
          "caller", more.containsKey("caller") ? more.remove("caller") : Undefined.name("caller"));
      int places = arguments.places().size();
      frame.set(
          "varargs",
          new Tuple(
              places <= parameters.size()
                  ? List.<@Nullable Object>of()
                  : arguments.places().subList(parameters.size(), places)));
      frame.set("kwargs", new LinkedHashMap<@Nullable Object, @Nullable Object>(more));
      frame.run(body);
    }
  }

  /** {@code call(...) f()}: a call that gets the body as {@code caller}. */
  record CallBlock(int line, Expression.Call call, Define caller) implements Statement {
    @Override
    public Next run(Frame frame) {
      Arguments given = call.arguments().evaluate(frame);
      Map<String, @Nullable Object> names = new LinkedHashMap<>(given.names());
      names.put("caller", caller.make(frame));
      Object function = frame.evaluate(call.function());
      frame.write(
          Texts.str(Expression.Call.call(frame, function, new Arguments(given.places(), names))));
      return Next.ON;
    }
  }

  /** {@code with a = value}, or a block whose names end with it. */
  record Inner(int line, List<Target> targets, List<Expression> values, List<Statement> body)
      implements Statement {
    @Override
    public Next run(Frame frame) {
      List<@Nullable Object> outside = new ArrayList<>();
      for (Expression value : values) {
        outside.add(frame.evaluate(value));
      }
      return frame.within(
          frame.scope(),
          () -> {
            for (int i = 0; i < targets.size(); i++) {
              targets.get(i).assign(frame, outside.get(i));
            }
            return frame.run(body);
          });
    }
  }

  /** What is assigned to. */
  sealed interface Target {
    void assign(Frame frame, @Nullable Object value);

    /** A name. */
    record Name(String name) implements Target {
      @Override
      public void assign(Frame frame, @Nullable Object value) {
        frame.set(name, value);
      }
    }

    /** A name of a namespace. */
    record Member(String namespace, String name) implements Target {
      @Override
      public void assign(Frame frame, @Nullable Object value) {
        if (!(frame.find(namespace) instanceof Namespace found)) {
          throw frame.error("cannot assign attribute on non-namespace object");
        }
        found.names().put(name, value);
      }
    }

    /** As many as a list has items. */
    record Several(List<Target> targets) implements Target {
      @Override
      public void assign(Frame frame, @Nullable Object value) {
        List<?> items = Values.iterate(frame, value);
        if (items.size() != targets.size()) {
          throw frame.error(
              "expected " + targets.size() + " values to unpack, but there are " + items.size());
        }
        for (int i = 0; i < items.size(); i++) {
          targets.get(i).assign(frame, items.get(i));
        }
      }
    }
  }
}
